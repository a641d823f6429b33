#!/usr/bin/python3
"""docs/tutorial.md says what its commands print: those that are quick are run again, of those that train the first epoch is, and no number in
its prose stands alone."""
import importlib.machinery
import importlib.util
import os
import re
import shlex
import unittest

import weft

LOADER = importlib.machinery.SourceFileLoader("tutorial", os.path.join(weft.ROOT, "scripts", "tutorial"))
tutorial = importlib.util.module_from_spec(importlib.util.spec_from_loader("tutorial", LOADER))
LOADER.exec_module(tutorial)

SLOW = re.compile(r"<!-- not run: [^>]+ -->\n$")


def without_seconds(line):
    return re.sub(r" +[0-9.]+ s\b.*", "", line)


class TutorialPage(weft.Case):
    def setUp(self):
        super().setUp()
        os.symlink(os.path.join(weft.ROOT, "recipes"), self.path("recipes"))
        with open(tutorial.PAGE) as file:
            self.page = file.read()
        self.parts = tutorial.parts(self.page)

    def blocks(self, slow):
        """(commands, output)"""
        return [(p["commands"], p["output"]) for p in self.parts
                if p["between"] and bool(SLOW.search(self.page[:p.start()])) == slow]

    def run_again(self, line, *more):
        words = shlex.split(line)
        self.assertEqual(words[0], "weft", line)
        done = self.weft(*words[1:], *more)
        return done.stderr + done.stdout

    @unittest.skipUnless(weft.ARCH != "x86_64" or weft.has_isa("v3"), "CPUs without FMA make bits of their own")
    def test_quick_commands_print_what_the_page_says(self):
        self.assertGreater(len(self.blocks(False)), 3)
        for commands, output in self.blocks(False):
            with self.subTest(commands):
                self.assertEqual("".join(self.run_again(line) for line in commands.splitlines()), output)

    @unittest.skipUnless(weft.ARCH != "x86_64" or weft.has_isa("v3"), "CPUs without FMA make bits of their own")
    def test_first_epochs_are_what_the_page_says(self):
        trained = [(c, o) for c, o in self.blocks(True) if c.startswith("weft train ")]
        self.assertEqual(len(trained), 2)
        for commands, output in trained:
            with self.subTest(commands):
                first = self.run_again(commands, "--set", "train.epochs=1").splitlines()[0].replace("epoch 1/1 ", "epoch  1/10 ")
                self.assertEqual(without_seconds(output.splitlines()[0]), without_seconds(first))

    def test_tables_agree_with_the_runs_they_are_about(self):
        compared = next(o for c, o in self.blocks(True) if c.startswith("weft compare "))
        for variant in ("unscaled", "scaled"):
            run = next(o for c, o in self.blocks(True) if f"--variant {variant} " in c)
            last = re.findall(r"^epoch (\d+)/\1 .*validation: loss +\S+ +accuracy +(\S+ %)", run, re.MULTILINE)[0][1]
            self.assertRegex(compared, rf"(?m)^{variant} .*{re.escape(last)}")

    def test_no_number_in_the_prose_stands_alone(self):
        printed = "".join(output for _, output in self.blocks(False) + self.blocks(True))
        prose = re.sub(r"^```.*?^```$|<!--.*?-->|\]\([^)]*\)", "", self.page, flags=re.MULTILINE | re.DOTALL)
        numbers = re.findall(r"\d+\.\d+", prose)
        self.assertEqual([n for n in numbers if n not in printed], [])

    def test_its_pictures_are_there(self):
        pictures = [p["picture"] for p in self.parts if p["picture"]]
        self.assertGreater(len(pictures), 5)
        self.assertEqual(len(pictures), self.page.count("!["))
        for picture in pictures:
            with open(os.path.join(weft.ROOT, "docs", picture), "rb") as file:
                self.assertEqual(file.read(8), b"\x89PNG\r\n\x1a\n", picture)


weft.main()
