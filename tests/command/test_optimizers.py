#!/usr/bin/python3
"""Every optimizer trains as PyTorch's does, and goes on after a stop as if there had been none."""
import json
import os

import small
import weft
from init_params import write_init

EXPERIMENT = """\
title: optimizers
data: {set: small, scale: 2550}
model: [linear 32, tanh, linear 10]
train: {epochs: 1000, batch: 32, init: init.safetensors, shuffle: false, log_steps: true}
"""


def written(optimizer):
    """As an experiment file has it."""
    return json.dumps(optimizer).replace('"', "")


class Optimizers(weft.Case):
    TOLERANCE = 1e-4

    def setUp(self):
        super().setUp()
        with open(os.path.join(weft.TESTS, "fixtures", "optimizer_steps.json")) as file:
            self.cases = json.load(file)["cases"]
        self.write("steps.yaml", EXPERIMENT)
        write_init(self.path("init.safetensors"), 1, (784, 32, 10))

    def train(self, folder, optimizer, *settings, more=()):
        sets = [f"optimizer={written(optimizer)}", *settings]
        self.weft("train", "steps.yaml", "-o", folder, "--quiet", "--threads", "1", *more, *[word for one in sets for word in ("--set", one)])
        return self.read_lines(folder, "steps.jsonl")

    def test_there_are_six_cases_of_each(self):
        sources = weft.updating_optimizers()
        names = [case["optimizer"]["name"] for case in self.cases]
        self.assertEqual(set(names), set(sources))
        for name in sources:
            self.assertGreaterEqual(names.count(name), 6, name)

    def test_every_loss_is_pytorchs(self):
        small.make(self.path("small"), 640, times=15)  # 300 batches of 32 are one epoch
        for i, case in enumerate(self.cases):
            with self.subTest(**case["optimizer"]):
                losses = case["losses"][:50 if weft.SAN else None]
                lines = self.train(f"run{i}", case["optimizer"], f"train.max_steps={len(losses)}", f"train.batch={case['batch']}")
                self.assertEqual([line["step"] for line in lines], list(range(1, len(losses) + 1)))
                for line, right in zip(lines, losses):
                    self.assertLessEqual(abs(line["loss"] - right), self.TOLERANCE * right, f"step {line['step']}: {line['loss']}, PyTorch {right}")

    def test_a_stop_changes_nothing(self):
        """The case of each that has the most settings, and so every state; rates and shares that depend on the step."""
        small.make(self.path("small"))
        chosen = {}
        for case in self.cases:
            optimizer = case["optimizer"]
            chosen[optimizer["name"]] = max(optimizer, chosen.get(optimizer["name"], {}), key=len)
        for name, optimizer in chosen.items():
            with self.subTest(**optimizer):
                whole = self.train(name, optimizer, "train.epochs=4")
                self.train(name + "-parts", optimizer, "train.epochs=2")
                parts = self.train(name + "-parts", optimizer, "train.epochs=4", more=["--resume"])
                self.assertEqual(parts, whole)
                self.assertEqual(weft.hash_tensors(self.path(name, "model.safetensors")),
                                 weft.hash_tensors(self.path(name + "-parts", "model.safetensors")))


if __name__ == "__main__":
    weft.main()
