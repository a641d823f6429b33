#!/usr/bin/python3
"""Runs that are killed, some of them again while they go on, end on the bits of one that nobody disturbed; `make torture` kills a thousand."""
import random
import unittest

import kills
import weft

SEED = random.SystemRandom().randrange(1 << 32)  # in what a failure says


class Killed(unittest.TestCase):
    def kill(self, where, n):
        passed, failures = kills.torture(where, n, str(SEED))
        self.assertEqual(failures, [])
        self.assertGreaterEqual(passed, n)

    def test_a_killed_run_leaves_what_an_undisturbed_one_does(self):
        self.kill(kills.train_range(), 30)

    def test_a_killed_comparison_leaves_what_an_undisturbed_one_does(self):
        self.kill(kills.compare_range(), 5)


weft.main()
