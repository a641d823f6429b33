#!/usr/bin/python3
"""Blocks, normalisation and dropout through the command: names of a state dict, the same bits after a stop, what is refused."""
import os
import signal
import struct
import time

import small
import weft

LAYERS = """\
data: {set: ./small, scale: 255}
model: [linear 24, batch_norm, relu, dropout 0.2, {residual: [linear 24, layer_norm, prelu, linear 24]}, batch_norm cumulative=true, linear 10]
optimizer: {name: adam, lr: 0.003}
train: {epochs: 40, batch: 32, seed: 5}
"""

# What torch.nn.Sequential(Linear, BatchNorm1d, ReLU, Dropout, Residual(Sequential)(Linear, LayerNorm, PReLU, Linear), BatchNorm1d, Linear)
# has in its state dict.
STATE = {
    "0.weight": [24, 784], "0.bias": [24],
    "1.weight": [24], "1.bias": [24], "1.running_mean": [24], "1.running_var": [24], "1.num_batches_tracked": [],
    "4.0.weight": [24, 24], "4.0.bias": [24], "4.1.weight": [24], "4.1.bias": [24], "4.2.weight": [1], "4.3.weight": [24, 24], "4.3.bias": [24],
    "5.weight": [24], "5.bias": [24], "5.running_mean": [24], "5.running_var": [24], "5.num_batches_tracked": [],
    "6.weight": [10, 24], "6.bias": [10],
}


class Layers(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"))
        self.write("e.yaml", LAYERS)

    def test_the_model_has_the_names_and_shapes_of_torchs_state_dict(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "train.epochs=2")
        tensors, _ = weft.read_tensors(self.path("run", "model.safetensors"))
        self.assertEqual({name: shape for name, (shape, _) in tensors.items()}, STATE)
        steps = 2 * -(-600 // 32)
        self.assertEqual(struct.unpack("<q", tensors["1.num_batches_tracked"][1]), (steps,))
        self.assertTrue(all(variance > 0 for variance in weft.tensor_numbers(tensors["5.running_var"][1])))

    def test_evaluation_of_the_saved_model_is_that_of_the_run(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "train.epochs=2")
        last = self.read_lines("run", "metrics.jsonl")[-1]
        said = self.weft("eval", "run").stdout
        self.assertIn(f"loss {last['val_loss']:.4f}, accuracy {100 * last['val_acc']:.2f} %", said)

    def test_a_run_that_was_stopped_ends_at_the_same_bits(self):
        process = self.start("train", "e.yaml", "-o", "run", "--quiet")
        while not self.exists("run", "checkpoint", "state.safetensors"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--resume")
        self.weft("train", "e.yaml", "-o", "whole", "--quiet", "--threads", "3")
        for name in ("model.safetensors", "best.safetensors"):
            self.assertEqual(self.read("run", name), self.read("whole", name), name)

    def test_a_last_batch_of_one_sample_is_refused_before_anything_runs(self):
        said = self.weft("train", "e.yaml", "-o", "run", "--set", "train.batch=599", code=2).stderr
        self.assertIn("layer 1 (batch_norm) trains on 2 samples at least, but a batch has 1", said)
        self.assertFalse(os.path.exists(self.path("run", "model.safetensors")))

    def test_rules_of_initialisation_are_followed(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "train.epochs=0", "--set",
                  "model=[linear 24 init=\"constant 0.5\" bias_init=zeros, batch_norm init=\"constant 2\", linear 10 init=orthogonal]")
        tensors, _ = weft.read_tensors(self.path("run", "model.safetensors"))
        self.assertEqual(set(weft.tensor_numbers(tensors["0.weight"][1])), {0.5})
        self.assertEqual(set(weft.tensor_numbers(tensors["0.bias"][1])), {0.0})
        self.assertEqual(set(weft.tensor_numbers(tensors["1.weight"][1])), {2.0})
        rows = weft.tensor_numbers(tensors["2.weight"][1])
        self.assertAlmostEqual(sum(rows[i] * rows[24 + i] for i in range(24)), 0, 5)
        self.assertAlmostEqual(sum(rows[i] ** 2 for i in range(24)), 1, 5)

    def test_a_rule_for_the_whole_model_is_that_of_layers_that_say_none(self):
        model = "[linear 24, batch_norm, {residual: [linear 24 bias=false]}, linear 16 init=\"constant 2\", prelu, linear 10 bias_init=\"constant 3\"]"
        for folder, sets in (("run", ["--set", "init={weight: constant 0.5, bias: zeros}"]), ("plain", [])):
            self.weft("train", "e.yaml", "-o", folder, "--quiet", "--set", "train.epochs=0", "--set", f"model={model}", *sets)
        (tensors, _), (plain, _) = (weft.read_tensors(self.path(folder, "model.safetensors")) for folder in ("run", "plain"))
        values = {name: weft.tensor_numbers(data) for name, (_, data) in tensors.items()}
        self.assertEqual(set(values["0.weight"]) | set(values["2.0.weight"]) | set(values["5.weight"]), {0.5})
        self.assertEqual(set(values["0.bias"]) | set(values["3.bias"]), {0.0})
        self.assertEqual((set(values["3.weight"]), set(values["5.bias"])), ({2.0}, {3.0}))
        for name in ("1.weight", "1.bias", "1.running_var", "4.weight"):  # scales, offsets and slopes keep their own
            self.assertEqual(tensors[name], plain[name])
        self.assertNotEqual(tensors["0.bias"], plain["0.bias"])

    def test_a_rule_for_the_whole_model_is_one_for_each_of_its_layers(self):
        short = self.write("short.yaml", self.read("e.yaml").decode() + "init: orthogonal\n")
        for folder, sets in (("one", [short]), ("each", ["e.yaml", "--set", "model=[linear 24 init=orthogonal, relu, linear 10 init=orthogonal]"])):
            self.weft("train", *sets[:1], "-o", folder, "--quiet", "--set", "train.epochs=1", *(sets[1:] or ["--set", "model=[linear 24, relu, linear 10]"]))
        self.assertEqual(weft.hash_tensors(self.path("one", "model.safetensors")), weft.hash_tensors(self.path("each", "model.safetensors")))
        again = ["train", short, "-o", "one", "--quiet", "--resume", "--set", "train.epochs=2", "--set", "model=[linear 24, relu, linear 10]"]
        said = self.weft(*again, "--set", "init=zeros", code=2).stderr
        self.assertIn('init.weight', said)
        self.assertIn('"orthogonal"', said)
        self.weft(*again)
        self.weft("train", os.path.join("one", "config.yaml"), "-o", "copy", "--quiet")
        self.assertEqual(weft.hash_tensors(self.path("one", "model.safetensors")), weft.hash_tensors(self.path("copy", "model.safetensors")))
        variants = self.write("variants.yaml", self.read("short.yaml").decode() + "variants: {a: {}, b: {init: kaiming_normal relu}}\n")
        self.weft("compare", variants, "-o", "both", "--quiet", "--set", "train.epochs=1")
        self.assertIn('"kaiming_normal relu"', self.read("both", "b", "seed-5", "config.yaml").decode())
        self.assertNotEqual(*(self.read_lines("both", name, "seed-5", "metrics.jsonl")[0]["val_loss"] for name in "ab"))

    def test_rules_that_do_not_fit_are_refused(self):
        for model, words in (("linear 24, batch_norm init=orthogonal, linear 10", "two dimensions"), ("linear 24 bias=false bias_init=zeros", "no bias")):
            said = self.weft("train", "e.yaml", "-o", "run", "--set", f"model=[{model}]", code=2).stderr
            self.assertIn(words, said)

    def test_a_block_whose_ends_do_not_fit_is_refused(self):
        said = self.weft("train", "e.yaml", "-o", "run", "--set", "model=[linear 24, {residual: [linear 23]}, linear 10]", code=2).stderr
        self.assertIn("these are 24 and 23 numbers", said)


weft.main()
