#!/usr/bin/python3
"""What is built depends on the sources alone: not on the folder, and in its bits not on the compiler. `make matrix` asks more of it."""
import filecmp
import json
import os
import shutil
import subprocess
import unittest

import twin
from tap import main

BUILD = os.environ.get("BUILD") or "build"
SAN = os.environ.get("SAN", "")
# One object of each rule by which they are made, and of what the build generates.
OBJECTS = ["cli/main.o", "report/assets.o", "verify/bits.o", "schedule/schedule.o", "op/gelu.v3.o", "kernel/bf16.avx512.o"]


@unittest.skipIf(SAN or os.uname().machine != "x86_64", "one build is enough to show it")
class Builds(unittest.TestCase):
    def test_objects_are_the_same_byte_by_byte_wherever_they_are_built(self):
        paths = [os.path.join("build", "obj", name) for name in OBJECTS]
        with twin.built(*paths) as house:
            for path in paths:
                self.assertTrue(filecmp.cmp(os.path.join(twin.ROOT, path), os.path.join(house, path), shallow=False), path)

    def test_no_binary_has_the_name_of_the_folder_that_it_was_built_in(self):
        for name in ("weft", "libweft.a", "libweft.so"):
            with open(os.path.join(twin.ROOT, BUILD, name), "rb") as file:
                self.assertNotIn(twin.ROOT.encode() + b"/", file.read(), name)

    @unittest.skipUnless(shutil.which("clang"), "there is no clang here; make matrix installs it")
    def test_clang_makes_the_published_bits_with_hardly_any_optimisation(self):
        """On one instruction set, so that it is built in time."""
        folder = os.path.join(BUILD, "matrix", "clang-v3")
        built = subprocess.run(["make", "CC=clang", "CFLAGS=-O1", "ISAS=v3", "UNITS=", f"BUILD={folder}", f"{folder}/weft"], cwd=twin.ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(built.returncode, 0, built.stdout[-3000:])
        self.assertEqual([line for line in built.stdout.splitlines() if "warning:" in line], [])
        said = json.loads(subprocess.run([os.path.join(folder, "weft"), "verify", "--json"], cwd=twin.ROOT, stdout=subprocess.PIPE, text=True).stdout)
        self.assertTrue(said["pass"], said)
        self.assertEqual([run["threads"] for run in said["runs"]], [1, 2, 3, 8])


main()
