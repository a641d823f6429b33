#!/usr/bin/python3
"""The C programs under examples/, run as they stand."""
import os
import re
import subprocess

import weft


class Examples(weft.Case):
    def run_example(self, name):
        done = subprocess.run([os.path.join(weft.BUILD, "examples", name), "1"], cwd=self.folder, env=weft.environment(self.folder),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200)
        self.assertEqual(done.returncode, 0, done.stdout.decode())
        accuracy = re.search(r"validation.*accuracy ([0-9.]+)", done.stdout.decode())
        self.assertGreater(float(accuracy[1]), 0.75, done.stdout.decode())

    def test_the_short_one_trains_and_saves(self):
        self.run_example("train")
        evaluated = self.weft("eval", "model.safetensors", "--json")
        self.assertIn('"accuracy": 0.8', evaluated.stdout)

    def test_the_short_one_has_under_40_lines(self):
        with open(os.path.join(weft.ROOT, "examples", "train.c")) as source:
            self.assertLess(len(source.readlines()), 40)

    def test_the_one_that_owns_its_loop_trains_and_draws(self):
        self.run_example("tutorial")
        self.assertIn(b"<svg", self.read("tutorial.svg"))


weft.main()
