#!/usr/bin/python3
"""Sweeps: draws that anybody can compute, successive halving that goes on from checkpoints, and what --dry-run says of the cost."""
import glob
import os
import re
import signal
import time

import small
import weft

MASK = 0xffffffff


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        (h0, l0), (h1, l1) = divmod(0xD2511F53 * c[0], 1 << 32), divmod(0xCD9E8D57 * c[2], 1 << 32)
        c = [h1 ^ c[1] ^ k[0], l1, h0 ^ c[3] ^ k[1], l0]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def xxh32(data):
    """XXH32 with seed 0, of less than 16 bytes or more."""
    p = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1)

    def turn(x, n):
        return ((x << n) | (x >> (32 - n))) & MASK

    def word(i):
        return int.from_bytes(data[i:i + 4], "little")
    i, h = 0, p[4]
    if len(data) >= 16:
        v = [(p[0] + p[1]) & MASK, p[1], 0, -p[0] & MASK]
        while i + 16 <= len(data):
            for j in range(4):
                v[j] = turn((v[j] + word(i) * p[1]) & MASK, 13) * p[0] & MASK
                i += 4
        h = (turn(v[0], 1) + turn(v[1], 7) + turn(v[2], 12) + turn(v[3], 18)) & MASK
    h = (h + len(data)) & MASK
    while i + 4 <= len(data):
        h = turn((h + word(i) * p[2]) & MASK, 17) * p[3] & MASK
        i += 4
    for byte in data[i:]:
        h = turn((h + byte * p[4]) & MASK, 11) * p[0] & MASK
    for shift, factor in ((15, p[1]), (13, p[2])):
        h = (h ^ h >> shift) * factor & MASK
    return h ^ h >> 16


def unit(seed, key, index, purpose=5):
    c = philox((index & MASK, index >> 32, purpose, xxh32(key.encode())), (seed & MASK, seed >> 32))
    return ((c[0] >> 5) * 2 ** 26 + (c[1] >> 6)) / 2 ** 53


HEAD = """\
title: a test
data: {{set: {set}, scale: 255}}
model: [linear 16, relu, linear 10]
optimizer: {{name: sgd, momentum: 0.9}}
schedule: {{name: cosine_annealing_lr, T_max: 9}}
train: {{epochs: 9, batch: 50}}
"""
HALVED = """\
sweep:
  method: random
  trials: 9
  seed: 4
  halving: {eta: 3, min_epochs: 1}
  over: {optimizer.lr: {log_uniform: [1e-4, 1]}}
"""


class Sweep(weft.Case):
    def setUp(self):
        super().setUp()
        self.set = small.make(self.path("set"))
        self.write("e.yaml", HEAD.format(set=self.set) + HALVED)

    def folders(self, out):
        return sorted(os.path.relpath(os.path.dirname(path), self.folder) for path in glob.glob(self.path(out, "*", "seed-*", "run.json")))

    def epochs(self, out):
        return sorted(len(self.read_lines(folder, "metrics.jsonl")) for folder in self.folders(out))

    def remains(self, out):
        """What must not depend on when anything ran: all but seconds."""
        found = {}
        for folder in self.folders(out):
            lines = [{k: v for k, v in line.items() if not k.endswith("_seconds")} for line in self.read_lines(folder, "metrics.jsonl")]
            run = self.read_json(folder, "run.json")
            found[folder.split("/", 1)[1]] = (lines, run["status"], run.get("message", ""), weft.hash_tensors(self.path(folder, "model.safetensors")))
        return found

    def test_draws_are_what_philox_gives(self):
        seed = 2 ** 40 + 7
        self.write("d.yaml", HEAD.format(set=self.set) + "sweep: {method: random, trials: 12, seed: %d, over: {optimizer.lr: {log_uniform: [0.001, 2]}, "
                   "optimizer.weight_decay: {uniform: [0, 0.5]}, train.accumulate: {integer: [1, 6]}}}\n" % seed)
        self.weft("compare", "d.yaml", "-q", "-o", "out", "--set", "train.max_steps=1")
        drawn = {(s["optimizer.lr"], s["optimizer.weight_decay"], s["train.accumulate"])
                 for s in (self.read_json(folder, "run.json")["settings"] for folder in self.folders("out"))}
        expected = {(0.001 * 2000 ** unit(seed, "optimizer.lr", i), 0.5 * unit(seed, "optimizer.weight_decay", i), 1 + int(6 * unit(seed, "train.accumulate", i)))
                    for i in range(12)}
        self.assertEqual({(float(lr), float(decay), int(n)) for lr, decay, n in drawn},
                         {(float(f"{lr:.3g}"), round(decay, 4), n) for lr, decay, n in expected})

    def test_the_better_third_goes_on_and_the_table_says_who_was_stopped_where(self):
        done = self.weft("compare", "e.yaml", "-o", "out")
        self.assertEqual(self.epochs("out"), [1] * 6 + [3] * 2 + [9])
        after = {1: {}, 3: {}}
        for folder in self.folders("out"):
            lines = self.read_lines(folder, "metrics.jsonl")
            for epoch, losses in after.items():
                if len(lines) >= epoch:
                    losses[folder] = lines[epoch - 1]["val_loss"]
        for epoch, places in ((1, 3), (3, 1)):
            order = sorted(after[epoch], key=after[epoch].get)
            for number, folder in enumerate(order, 1):
                run = self.read_json(folder, "run.json")
                if number > places:
                    self.assertEqual(run["status"], "stopped")
                    rung = f"rung {1 if epoch == 1 else 2} of 3"
                    self.assertEqual(run["message"], f"{rung}: number {number} of {len(order)} by val_loss after epoch {epoch}")
                    self.assertRegex(done.stdout, rf"(?m)^{re.escape(run['variant'])} .* stopped, {rung}$")
                else:
                    self.assertGreater(len(self.read_lines(folder, "metrics.jsonl")), epoch)

    def test_a_trial_that_went_on_is_the_run_that_never_stopped(self):
        self.weft("compare", "e.yaml", "-q", "-o", "out")
        winner = next(f for f in self.folders("out") if len(self.read_lines(f, "metrics.jsonl")) == 9)
        name = self.read_json(winner, "run.json")["variant"]
        self.weft("train", "e.yaml", "--variant", name, "-q", "-o", "alone")
        self.assertEqual(self.read(winner, "model.safetensors"), self.read("alone", "model.safetensors"))
        stopped = next(f for f in self.folders("out") if len(self.read_lines(f, "metrics.jsonl")) == 1)
        self.weft("train", "e.yaml", "--variant", self.read_json(stopped, "run.json")["variant"], "-q", "-o", "other")
        one, other = self.read_lines(stopped, "metrics.jsonl")[0], self.read_lines("other", "metrics.jsonl")[0]
        self.assertEqual([one["val_loss"], one["lr"]], [other["val_loss"], other["lr"]])  # the schedule is that of nine epochs

    def test_the_same_for_any_number_of_jobs_and_however_often_it_is_stopped(self):
        self.weft("compare", "e.yaml", "-q", "-o", "out", "--jobs", "1")
        whole = self.remains("out")
        self.weft("compare", "e.yaml", "-q", "-o", "jobs", "--jobs", "4")
        self.assertEqual(self.remains("jobs"), whole)
        times = 0
        for _ in range(6):
            process = self.start("compare", "e.yaml", "-q", "-o", "again", "--jobs", "2")
            time.sleep(0.12)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            if process.returncode == 0:
                break
            self.assertIn(process.returncode, (130, -2))
            times += 1
        self.weft("compare", "e.yaml", "-q", "-o", "again")
        self.assertGreater(times, 0)
        self.assertEqual(self.remains("again"), whole)

    def test_seeds_go_on_together_and_variants_compete_with_themselves(self):
        self.write("v.yaml", HEAD.format(set=self.set) + "variants: {good: {}, bad: {data: {scale: 1e6}}}\nseeds: [1, 2]\n" + HALVED)
        self.weft("compare", "v.yaml", "-q", "-o", "out", "--set", "train.epochs=3")
        for variant in ("good", "bad"):
            lengths = {}
            for folder in self.folders("out"):
                slug = folder.split("/")[1]
                if slug.startswith(variant):
                    lengths.setdefault(slug, []).append(len(self.read_lines(folder, "metrics.jsonl")))
            self.assertEqual(sorted(lengths.values()), [[1, 1]] * 6 + [[3, 3]] * 3)

    def test_what_is_monitored_must_be_a_score_of_the_task(self):
        done = self.weft("compare", "e.yaml", "-o", "out", "--set", "sweep.halving.monitor=val_r2", code=2)
        self.assertIn("val_r2", done.stderr)
        self.assertEqual(self.folders("out"), [])

    def test_a_dry_run_counts_measures_and_writes_nothing(self):
        before = sorted(os.listdir(self.folder))
        said = self.weft("compare", "e.yaml", "-n").stdout
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        self.assertIn("9 variants x 1 seed: 9 trials\nrung 1: 9 trials to epoch 1, 9 epochs\nrung 2: 3 trials to epoch 3, 6 epochs\n"
                      "rung 3: 1 trial to epoch 9, 6 epochs\n21 epochs to run, of 81 if", said)
        self.assertRegex(said, r"about [\d.]+ s with \d+ at a time; measured: steps of 1 kind of network\nabout [\d.]+ MB in runs/e\nnothing was run or written\n$")
        said = self.weft("train", "e.yaml", "--set", "sweep.over={optimizer.lr: [0.1]}", "--set", "sweep.method=grid", "--set", "optimizer.lr=0.1", "-n", code=2).stderr
        self.assertIn("a grid has as many trials as points", said)
        self.write("t.yaml", HEAD.format(set=self.set))
        said = self.weft("train", "t.yaml", "-n", "--set", "train.max_steps=30").stdout
        self.assertRegex(said, r"^2.5 epochs of 12 steps; measured: [\d.]+ ms a step, [\d.e-]+ s to evaluate after an epoch\n")
        self.assertFalse(self.exists("runs"))

    def test_a_dry_run_knows_what_is_there_already(self):
        self.weft("compare", "e.yaml", "-q", "-o", "out")
        said = self.weft("compare", "e.yaml", "-n", "-o", "out").stdout
        self.assertIn("9 trials, 1 of them done already\n", said)
        self.assertIn("\n0 epochs to run", said)

    def test_the_size_is_about_what_there_will_be(self):
        said = self.weft("compare", "e.yaml", "-n", "--set", "model=[linear 300, relu, linear 10]").stdout
        self.weft("compare", "e.yaml", "-q", "-o", "out", "--set", "model=[linear 300, relu, linear 10]")
        there = sum(os.path.getsize(path) for path in glob.glob(self.path("out", "**"), recursive=True) if os.path.isfile(path))
        told = 1e6 * float(re.search(r"about ([\d.]+) MB", said)[1])
        self.assertTrue(0.7 < told / there < 1.4, (told, there))


weft.main()
