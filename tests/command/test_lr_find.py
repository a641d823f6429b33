#!/usr/bin/python3
"""weft lr-find: a range test of learning rates on real data, and what it leaves alone."""
import json
import unittest
from xml.etree import ElementTree

import weft

HEAD = """\
data: {set: fashion-mnist, scale: 255}
model: [linear 1000, relu, linear 10]
train: {epochs: 1, batch: 32}
variants:
  sgd: {optimizer: sgd}
  adam: {optimizer: {name: adam, eps: 1e-7}}
  unscaled: {optimizer: sgd, data: {scale: 1}}
"""


@unittest.skipIf(weft.SAN, "some thousand steps of a large network take minutes under a sanitizer")
class OnRealData(weft.Case):
    def find(self, variant, *more):
        self.write("e.yaml", HEAD)
        return json.loads(self.weft("lr-find", "e.yaml", "--variant", variant, "--json", "--quiet", "-o", variant, *more).stdout)

    def loss_after(self, variant, rate):
        """Mean training loss of 400 steps; infinite where they diverge."""
        done = self.weft("train", "e.yaml", "--variant", variant, "--set", f"optimizer.lr={rate}", "--set", "train.max_steps=400", "-qf", "-o", "run",
                         code=None)
        return float("inf") if done.returncode == 3 else self.read_lines("run", "metrics.jsonl")[-1]["train_loss"]

    def weft(self, *arguments, code=0, **options):
        if code is not None:
            return super().weft(*arguments, code=code, **options)
        process = self.start(*arguments)
        process.communicate(timeout=600)
        return process

    def test_the_suggestion_trains_better_than_a_tenth_of_it_and_than_thirty_times_as_much(self):
        for variant, low, high in (("sgd", 0.03, 0.3), ("adam", 2e-4, 2e-3)):
            found = self.find(variant)
            rate = found["suggestion"]
            self.assertTrue(low < rate < high, found)
            losses = [self.loss_after(variant, rate * factor) for factor in (0.1, 1, 30)]
            self.assertLess(losses[1], losses[0], losses)
            self.assertLess(losses[1], losses[2], losses)

    def test_inputs_that_are_not_scaled_want_a_far_lower_rate(self):
        scaled, unscaled = self.find("sgd"), self.find("unscaled")
        # Gradients of the first layer are 255 times as large, and so are its outputs: a rate up to 255^2 times lower.
        self.assertLess(unscaled["suggestion"], scaled["suggestion"] / 255)
        self.assertGreater(unscaled["suggestion"], scaled["suggestion"] / 255 ** 2 / 10)

    def test_a_loss_that_leaves_for_good_ends_a_seed_and_is_no_mistake(self):
        found = self.find("sgd", "--to", "1000", "--seeds", "2")
        self.assertEqual([s["seed"] for s in found["seeds"]], [1, 2])
        self.assertTrue(all(s["rates"] < 200 for s in found["seeds"]), found["seeds"])
        self.assertLess(found["lr"][-1], 100)
        self.assertGreater(found["loss"][-1], found["loss"][0])


class WhatItDoes(weft.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", HEAD.replace("linear 1000", "linear 30"))

    def find(self, *more, **options):
        return self.weft("lr-find", "e.yaml", "--variant", "adam", "-o", "out", *more, **options)

    def test_it_says_what_it_found_and_what_it_wrote(self):
        done = self.find("--from", "1e-6", "--to", "1")
        found = self.read_json("out", "lr-find.json")
        rate = found["suggestion"]
        self.assertIn(f"suggestion: --set optimizer.lr={rate}\nby the rule \"steepest descent\"", done.stdout)
        self.assertIn("wrote out: lr-find.svg, lr-find.png, lr-find.json\n", done.stdout)
        self.assertIn(f"weft train e.yaml --variant \"adam\" --set optimizer.lr={rate}\n", done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 3)
        ElementTree.fromstring(self.read("out", "lr-find.svg"))
        self.assertTrue(self.read("out", "lr-find.png").startswith(b"\x89PNG\r\n"))

    def test_the_numbers_hang_together(self):
        self.find("--steps", "100")
        found = self.read_json("out", "lr-find.json")
        rates, losses = found["lr"], found["loss"]
        self.assertTrue(all(len(found[key]) == len(rates) for key in ("loss", "low", "high")))
        for i, rate in enumerate(rates):
            self.assertAlmostEqual(rate / (1e-7 * 1e8 ** (i / 99)), 1, places=12)
            self.assertTrue(found["low"][i] <= losses[i] <= found["high"][i])
        self.assertEqual(found["lowest"], rates[losses.index(min(losses))])
        self.assertEqual(found["lowest_over_ten"], found["lowest"] / 10)
        falls = [losses[i - 2] - losses[i + 2] for i in range(2, len(losses) - 2) if i <= losses.index(min(losses))]
        self.assertEqual(found["steepest"], rates[2 + falls.index(max(falls))])
        self.assertEqual(found["suggestion"], float(f"{found['steepest']:.2g}"))

    def test_one_seeds_losses_are_those_of_a_training_that_raises_its_rate(self):
        self.find("--steps", "40", "--from", "1e-5", "--to", "0.01", "--seeds", "1")
        gamma = 1000 ** (1 / 39)
        self.weft("train", "e.yaml", "--variant", "adam", "-q", "-o", "run", "--set", "optimizer.lr=1e-5", "--set", "train.max_steps=41",
                  "--set", "train.log_steps=true", "--set", f"schedule={{name: exponential_lr, gamma: {gamma!r}, by: step}}")
        smoothed, total, weight = [], 0, 0
        for line in self.read_lines("run", "steps.jsonl")[1:]:
            total, weight = 0.9 * total + 0.1 * line["loss"], 0.9 * weight + 0.1
            smoothed.append(total / weight)
        found = self.read_json("out", "lr-find.json")
        self.assertEqual(len(found["loss"]), 40)
        for ours, theirs in zip(found["loss"], smoothed):
            self.assertAlmostEqual(ours, theirs, delta=1e-6 * theirs)  # gamma is rounded twice

    def test_the_same_on_any_number_of_threads_and_nothing_is_touched(self):
        self.weft("train", "e.yaml", "--variant", "adam", "--set", "train.max_steps=5", "-q", "-o", "run")
        before = weft.hash_tensors(self.path("run", "model.safetensors"))
        init = ("--set", "train.init=run/model.safetensors")
        self.find("--threads", "1", *init)
        first = self.read("out", "lr-find.json")
        self.find("--threads", "2", "--force", *init)
        self.assertEqual(self.read("out", "lr-find.json"), first)
        self.find("--force")
        self.assertNotEqual(self.read("out", "lr-find.json"), first)
        self.assertEqual(weft.hash_tensors(self.path("run", "model.safetensors")), before)

    def test_an_epoch_may_be_shorter_than_the_test(self):
        self.find("--set", "train.batch=full", "--steps", "12", "--to", "0.01", "--seeds", "1")
        self.assertEqual(len(self.read_json("out", "lr-find.json")["lr"]), 12)

    def test_rates_that_do_nothing_give_no_suggestion(self):
        done = self.find("--from", "1e-12", "--to", "1e-10", code=1)
        self.assertIn("at no rate from 1e-12 to 1e-10 did the loss fall", done.stderr)
        self.assertIsNone(self.read_json("out", "lr-find.json")["suggestion"])
        self.assertNotIn("suggestion", done.stdout)

    def test_what_is_there_is_not_replaced_without_a_word(self):
        self.find("--steps", "10")
        before = self.read("out", "lr-find.json")
        self.assertIn("--force", self.find("--steps", "11", code=2).stderr)
        self.assertEqual(self.read("out", "lr-find.json"), before)

    def test_mistakes_of_the_command_line(self):
        for words, said in ((("--from", "1", "--to", "1"), "is not below"), (("--from", "x"), "a number above 0"), (("--to", "-1"), "a number above 0"),
                            (("--steps", "9"), "from 10"), (("--seeds", "0"), "from 1")):
            self.assertIn(said, self.find(*words, code=2).stderr)
            self.assertFalse(self.exists("out"))


weft.main()
