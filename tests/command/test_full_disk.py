#!/usr/bin/python3
"""Disks that are full, folders that go away while a run is under way: training goes on, and nothing that could be written later is lost."""
import os
import resource
import shutil
import subprocess
import time
import unittest

import small
import weft

EXPERIMENT = """\
data: {set: set, scale: 255}
model: [linear 16, relu, linear 10]
optimizer: {name: adam}
train: {epochs: 80, batch: 32, log_steps: true}
"""
BEGINS = r"(?m)^weft: warning: .*: %s; training goes on, and what could not be written is kept in memory and tried again with the next checkpoint$"
ENDS = r"(?m)^weft: warning: out/run: can be written to again; all that waited is there, and nothing is lost$"
HAS_MOUNTS = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode == 0 if shutil.which("unshare") else False
# Mounts a small disk, trains on it, fills it after some epochs, empties it some epochs after the warning, or never.
FULL_DISK = """\
set -e
mount -t tmpfs -o size=4m none out
"$@" &
while [ $(cat out/run/metrics.jsonl 2>/dev/null | wc -l) -lt 5 ]; do sleep 0.01; done
cat /dev/zero > out/filler 2>/dev/null || true
while ! grep -q warning said; do sleep 0.01; done
sleep 0.05
[ -e never ] || { kill -STOP $!; rm out/filler; kill -CONT $!; } # it waits, so that it is not done before
code=0
wait $! || code=$?
[ -e never ] && cp out/run/metrics.jsonl metrics.jsonl && exit $code
cp -r out/run copy
exit $code
"""


class Trouble(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"))
        self.write("e.yaml", EXPERIMENT)
        os.mkdir(self.path("out"))
        self.still = weft.still_clock(self.folder)
        self.words = ["train", "e.yaml", "-o", "out/run", "-q"]

    def whole(self):
        """What the run leaves when nobody disturbs it; it is gone from its place."""
        self.weft(*self.words, env=self.still)
        found = weft.content_of(self.path("out", "run"))
        os.rename(self.path("out", "run"), self.path("whole"))
        return found

    def begin(self, **options):
        """A run of which some epochs are done; what it says goes to the file `said`."""
        with open(self.path("said"), "wb") as said:
            process = self.start(*self.words, env=self.still, stdout=subprocess.DEVNULL, stderr=said, **options)
        while not self.exists("out", "run", "metrics.jsonl") or self.read("out", "run", "metrics.jsonl").count(b"\n") < 5:
            self.assertIsNone(process.poll(), self.read("said"))
            time.sleep(0.002)
        return process

    def said(self):
        return self.read("said").decode()

    def wait_for(self, word, process):
        while word not in self.said():
            self.assertIsNone(process.poll(), self.said())
            time.sleep(0.002)

    def train_on_small_disk(self, code):
        with open(self.path("said"), "wb") as said:
            done = subprocess.run(["unshare", "-m", "sh", "-c", FULL_DISK, "sh", weft.COMMAND, *self.words], cwd=self.folder, stdout=subprocess.DEVNULL,
                                  stderr=said, env=weft.environment(self.folder, self.still))
        self.assertEqual(done.returncode, code, self.said())

    @unittest.skipUnless(HAS_MOUNTS, "no mount namespaces here")
    def test_a_full_disk_costs_nothing_once_it_has_room_again(self):
        whole = self.whole()
        self.train_on_small_disk(0)
        self.assertRegex(self.said(), BEGINS % "cannot .*: No space left on device")
        self.assertRegex(self.said(), ENDS)
        self.assertEqual(self.said().count("warning"), 2)
        self.assertEqual(weft.content_of(self.path("copy")), whole)

    @unittest.skipUnless(HAS_MOUNTS, "no mount namespaces here")
    def test_a_disk_that_stays_full_ends_it_with_the_systems_words(self):
        self.write("never", "")
        self.train_on_small_disk(1)
        self.assertEqual(self.said().count("warning"), 1)
        self.assertRegex(self.said(), r"(?m)^weft: out/run/.*: cannot .*: No space left on device$")
        lines = self.read_lines("metrics.jsonl")
        self.assertGreaterEqual(len(lines), 5)
        self.assertEqual([line["epoch"] for line in lines], list(range(1, len(lines) + 1)))

    def test_a_folder_that_comes_back_has_lost_nothing(self):
        whole = self.whole()
        process = self.begin()
        os.rename(self.path("out"), self.path("away"))
        self.wait_for("warning", process)
        os.rename(self.path("away"), self.path("out"))
        self.assertEqual(process.wait(), 0, self.said())
        self.assertRegex(self.said(), BEGINS % "cannot open.*: No such file or directory")
        self.assertRegex(self.said(), ENDS)
        self.assertEqual(weft.content_of(self.path("out", "run")), whole)

    def test_nothing_is_written_into_another_folder_that_takes_its_place(self):
        process = self.begin()
        os.rename(self.path("out"), self.path("away"))
        os.makedirs(self.path("out", "run", "checkpoint"))
        self.assertEqual(process.wait(), 1)
        self.assertRegex(self.said(), "is another folder than at the beginning")
        self.assertEqual(weft.content_of(self.path("out")), {})
        os.rename(self.path("out"), self.path("other"))
        os.rename(self.path("away"), self.path("out"))
        self.weft(*self.words, "--resume", env=self.still)  # from its last checkpoint
        found = weft.content_of(self.path("out", "run"))
        os.rename(self.path("out", "run"), self.path("resumed"))
        self.assertEqual(found, self.whole())

    def test_a_folder_that_is_gone_for_good_ends_it_with_the_systems_words(self):
        process = self.begin()
        os.rename(self.path("out"), self.path("gone"))  # at once: what is removed file by file gets new ones meanwhile
        self.assertEqual(process.wait(), 1)
        self.assertIn("No such file or directory", self.said())
        self.assertFalse(self.exists("out"))

    def test_a_quota_is_like_a_full_disk(self):
        limit = 60 << 10  # less than a checkpoint, more than its metrics
        with open(self.path("said"), "wb") as said:
            process = self.start(*self.words, env=self.still, stdout=subprocess.DEVNULL, stderr=said,
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(process.wait(), 1)
        self.assertRegex(self.said(), BEGINS % "cannot write: File too large")
        self.assertRegex(self.said(), r"(?m)^weft: out/run/.*: cannot (write|append): File too large$")
        self.weft(*self.words, "--resume", env=self.still)
        found = weft.content_of(self.path("out", "run"))
        os.rename(self.path("out", "run"), self.path("resumed"))
        self.assertEqual(found, self.whole())


weft.main()
