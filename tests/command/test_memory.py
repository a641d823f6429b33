#!/usr/bin/python3
"""How much memory the command takes at its most."""
import os
import subprocess
import sys

import pictures
import small
import weft

MIB = 1 << 20


class Memory(weft.Case):
    def peak(self, *arguments, code=0):
        """Bytes at the most, by the kernel's count of a child of its own."""
        script = ("import os, resource, subprocess, sys\n"
                  "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
                  "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)")
        done = subprocess.run([sys.executable, "-c", script, weft.COMMAND, *arguments], cwd=self.folder, env=weft.environment(self.folder),
                              stdout=subprocess.PIPE, check=True, timeout=1200)
        exit_code, most = map(int, done.stdout.split())
        self.assertEqual(exit_code, code)
        return most

    @weft.unittest.skipIf(weft.SAN, "sanitizers take memory of their own")
    def test_the_tutorial_stays_under_300_mb(self):
        recipe = os.path.join(weft.ROOT, "recipes", "tutorial.yaml")
        self.assertLess(self.peak("compare", recipe, "--set", "train.max_steps=20", "-o", "runs"), 300e6)

    def test_a_huge_experiment_file_is_refused_without_being_read(self):
        with open(self.path("huge.yaml"), "wb") as file:
            file.truncate(1 << 30)
        self.assertLess(self.peak("train", "huge.yaml", code=2), (400 if weft.SAN else 32) * MIB)

    @weft.unittest.skipIf(weft.SAN, "sanitizers take memory of their own")
    def test_pictures_that_claim_much_are_refused_for_little(self):
        small.make(self.path("small"), 60, 20)
        self.write("e.yaml", "data: {set: ./small}\nmodel: [linear 10]\ntrain: {epochs: 1}\n")
        self.weft("train", "e.yaml", "-o", "run", "-q")
        jpeg = pictures.jpeg([[0] * 28] * 28)
        at = jpeg.index(b"\xFF\xC0") + 5  # where height and width stand
        for content in (pictures.png(pictures.header(8192, 8192, 6, 16), (b"IDAT", bytes(1000)), pictures.END),
                        jpeg[:at] + bytes([0x20, 0, 0x20, 0]) + jpeg[at + 4:]):
            self.write("x", content)
            self.assertLess(self.peak("predict", "run", "x", code=2), 32 * MIB)


weft.main()
