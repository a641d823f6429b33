#!/usr/bin/python3
"""What the command does when memory or the system fails it: tests/faults, a part of what `make torture` goes through. One allocation of each
place in weft that asks for memory, by way of whichever library, fails once and from then on; so does one system call of each place, with a
third of the errors that there are, or it does half of what it should."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))
import commands  # noqa: E402
import weft  # noqa: E402

QUICK = ["help of train", "reference", "explain", "summary", "data info in JSON", "predict", "predict in JSON", "eval in JSON", "train"]


@unittest.skipIf(weft.SAN or weft.ARCH != "x86_64", "sanitizers bring their own allocator, and the shim is for x86-64")
class Faults(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="weft-faults-")
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        self.stage = os.path.join(self.folder, "stage")
        os.mkdir(self.stage)
        commands.set_up(self.stage)

    def sweep(self, names, kind, faults_at, wanted, share=1):
        seen, n = set(), 0
        for name in names:
            judge = commands.sweep(commands.ALL[name], self.stage, self.folder, kind, commands.once_a_place(seen, faults_at, share),
                                   wanted)
            n += judge.n
            with self.subTest(name):
                self.assertEqual(judge.complaints, {})
        print(f"# {n} faults at {len(seen)} places")
        self.assertGreater(len(seen), 50)

    def test_memory_that_runs_out_is_said_and_loses_nothing(self):
        self.sweep(QUICK, "memory", commands.memory_faults, commands.memory_words)

    def test_a_system_call_that_fails_is_said_and_loses_nothing(self):
        self.sweep(["resume"], "calls", commands.call_faults, commands.call_words, share=3)


if __name__ == "__main__":
    weft.main()
