#!/usr/bin/python3
"""Probes: what they say of a run is so, and they leave it as it is, to the last bit."""
import signal
import time

import small
import weft

EXPERIMENT = """\
title: a test
data: {set: SET, scale: 255}
model: [linear 48, batch_norm, relu, dropout 0.3, linear 32, sigmoid, linear 10]
optimizer: {name: adam, lr: 0.002}
train: {epochs: 3, batch: 32, seed: 5}
"""


class Probes(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"), 600, 100)
        self.write("e.yaml", EXPERIMENT.replace("SET", self.path("small")))

    def train(self, folder, *more):
        self.weft("train", "e.yaml", "-o", folder, "--quiet", *more)
        return weft.hash_tensors(self.path(folder, "model.safetensors"))

    def test_a_run_has_the_same_bits_with_probes_and_without(self):
        for more in ((), ("--set", "train.average=ema"), ("--set", "train.accumulate=2")):
            expected = self.train("without", "--threads", "1", "--set", "train.probes=false", "--force", *more)
            self.assertFalse(self.exists("without", "probes.jsonl"))
            lines = []
            for threads in "1", "2":
                self.assertEqual(self.train("with", "--threads", threads, "--force", *more), expected)
                lines.append(self.read("with", "probes.jsonl"))
            self.assertEqual(lines[0], lines[1])
            self.assertEqual(len(self.read_lines("with", "probes.jsonl")), 3)

    def test_a_run_that_was_stopped_in_an_epoch_ends_on_the_same_bits_and_with_a_line_an_epoch(self):
        expected = self.train("whole", "--set", "train.epochs=40", "--set", "train.probes=false")
        process = self.start("train", "e.yaml", "-o", "run", "--set", "train.epochs=40", "--quiet")
        while process.poll() is None and not (self.exists("run", "probes.jsonl") and self.read("run", "probes.jsonl")):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        self.assertIn(process.wait(), (130, 0))
        self.assertEqual(self.train("run", "--set", "train.epochs=40", "--resume"), expected)
        self.assertEqual([p["epoch"] for p in self.read_lines("run", "probes.jsonl")], list(range(1, 41)))

    def test_the_numbers_of_layers_are_those_of_the_network(self):
        self.train("run", "--set", "train.max_steps=25")
        epochs = self.read_lines("run", "probes.jsonl")
        self.assertEqual([p["epoch"] for p in epochs], [1, 2])
        probe = epochs[-1]
        layers = {layer["name"].split()[0]: layer for layer in probe["layers"][:6]}
        self.assertEqual(probe["samples"], 256)
        self.assertEqual(probe["input"]["max"], 1)
        self.assertEqual([layer["path"] for layer in probe["layers"]], [str(i) for i in range(7)])
        self.assertEqual(probe["layers"][0]["parameters"], 784 * 48 + 48)
        tensors, _ = weft.read_tensors(self.path("run", "model.safetensors"))
        squares = sum(x * x for name in ("0.weight", "0.bias") for x in weft.tensor_numbers(tensors[name][1]))
        self.assertAlmostEqual(probe["layers"][0]["weights"], squares ** 0.5, delta=1e-9 * squares)
        # batch norm in training mode: each unit has mean 0 and variance 1 before its weight and bias, which hardly moved in 25 steps
        self.assertAlmostEqual(layers["batch_norm"]["output"]["mean"], 0, delta=0.05)
        self.assertAlmostEqual(layers["batch_norm"]["output"]["std"], 1, delta=0.1)
        self.assertIn("dead", layers["relu"])
        self.assertNotIn("saturated", layers["relu"])
        self.assertIn("saturated", layers["sigmoid"])
        self.assertNotIn("dead", layers["sigmoid"])
        for layer in probe["layers"]:
            self.assertEqual("update" in layer, "parameters" in layer, layer["name"])
            for name, histogram in layer["histograms"].items():
                expected = 256 * layer["units"] if name == "outputs" else layer["parameters"]
                self.assertEqual((len(histogram["counts"]), sum(histogram["counts"])), (32, expected), name)
            self.assertGreater(layer["output_gradient"], 0)

    def test_the_update_is_that_of_the_epochs_last_step(self):
        """A step of plain descent at rate lr moves the weights by lr times the gradient; two runs that are a step apart show it."""
        settings = ("--set", "optimizer={name: sgd, lr: 0.1}", "--set", "model=[linear 10]")
        self.train("before", *settings, "--set", "train.max_steps=18")
        self.train("after", *settings, "--set", "train.max_steps=19")
        before, after = (weft.read_tensors(self.path(f, "model.safetensors"))[0] for f in ("before", "after"))
        moved = sum((a - b) ** 2 for name in before for a, b in zip(*(weft.tensor_numbers(t[name][1]) for t in (before, after))))
        now = sum(x * x for name in after for x in weft.tensor_numbers(after[name][1]))
        update = self.read_lines("after", "probes.jsonl")[-1]["layers"][0]["update"]
        self.assertAlmostEqual(update, (moved / now) ** 0.5, delta=1e-6 * update)

    def test_a_run_that_diverged_tells_what_it_knows_of_its_last_epoch(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "model=[linear 48, relu, linear 10]", "--set", "data.scale=1", "--set",
                  "optimizer={name: sgd, lr: 1e8}", code=3)
        probes = self.read_lines("run", "probes.jsonl")
        self.assertEqual([p["epoch"] for p in probes], [1])
        self.assertNotIn("update", probes[0]["layers"][0])
        self.assertGreater(probes[0]["layers"][0]["weight_gradient"], 0)


weft.main()
