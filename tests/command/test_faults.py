#!/usr/bin/python3
"""What the command does when memory or the system fails it: tests/faults, a part of what `make torture` goes through. One allocation of each
place in weft that asks for memory, by way of whichever library, fails once and from then on; so does one system call of each place, with a
third of the errors that there are, or it does half of what it should."""
import errno
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "faults"))
import commands  # noqa: E402
import faults  # noqa: E402
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

    def test_a_thread_that_cannot_be_made_is_said_or_done_without(self):
        for words in (["train", "x.yaml", "-o", "new", "--threads", "2"], ["compare", "variants.yaml", "-o", "all", "--jobs", "2"]):
            judge = commands.sweep(words, self.stage, self.folder, "threads",
                                   lambda point: [("once", errno.EAGAIN), ("always", errno.EAGAIN)], os.strerror)
            self.assertEqual(judge.complaints, {}, words)
            self.assertGreaterEqual(judge.n, 2)

    def test_signals_every_millisecond_change_nothing(self):
        models = []
        for kind in ("storm", "memory"):  # the latter asks for nothing to fail
            work = shutil.copytree(self.stage, os.path.join(self.folder, kind))
            outcome = faults.run(commands.ALL["train"], work, kind, lambda point: [], None)
            self.assertEqual(outcome.code, 0, outcome.stderr)
            models.append(outcome.files()["new/model.safetensors"])
        self.assertEqual(*models)


if __name__ == "__main__":
    weft.main()
