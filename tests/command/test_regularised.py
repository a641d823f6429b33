#!/usr/bin/python3
"""What stands between gradients and weights, and averages: every step is PyTorch's, threads and stops change no bit, and what cannot be is
refused."""
import array
import json
import math
import os
import signal

import small
import weft
from init_params import write_init

EXPERIMENT = """\
data: {set: fashion-mnist, scale: 255}
model: [linear 32, tanh, linear 10]
train: {epochs: 100, shuffle: false, log_steps: true, init: init.safetensors}
"""
SMALL = """\
data: {set: small, scale: 255}
model: [linear 33, tanh, linear 10]
optimizer: {name: sgd, lr: 0.1, momentum: 0.9}
train: {epochs: 4, batch: 32, seed: 3, log_steps: true}
"""
with open(os.path.join(weft.TESTS, "fixtures", "regularised.json")) as fixture:
    CASES = json.load(fixture)["cases"]


def flow(value):
    """As YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(flow, value)) + "]" if isinstance(value, list) else str(value)


class Steps(weft.Case):
    """Every step's loss is PyTorch's, and so are the parameters in the end."""

    LOSS, NUMBERS = 1e-4, 1e-4  # relative; and of the largest number of a parameter

    def test_every_loss_and_parameter_is_pytorchs(self):
        self.write("e.yaml", EXPERIMENT)
        write_init(self.path("init.safetensors"), 5, (784, 32, 10))
        for i, case in enumerate(CASES):
            with self.subTest(case["name"]):
                self.compare(f"run{i}", case)

    def compare(self, folder, case):
        steps = case["train"]["max_steps"]
        sets = [f"model={flow(case['model'])}", f"optimizer={flow(case['optimizer'])}"]
        sets += [f"train.{key}={flow(value)}" for key, value in case["train"].items()]
        self.weft("train", "e.yaml", "-o", folder, "--quiet", *[word for one in sets for word in ("--set", one)])
        lines = self.read_lines(folder, "steps.jsonl")
        self.assertEqual([line["step"] for line in lines], list(range(1, steps + 1)))
        for line, right in zip(lines, case["losses"]):
            self.assertLessEqual(abs(line["loss"] - right), self.LOSS * right, f"step {line['step']}: {line['loss']}, PyTorch {right}")
        tensors, _ = weft.read_tensors(self.path(folder, "model.safetensors"))
        self.assertEqual(set(tensors), set(case["params"]))
        for name, right in case["params"].items():
            found = weft.tensor_numbers(tensors[name][1])[::199]
            largest = max(map(abs, right))
            self.assertLessEqual(max(abs(a - b) for a, b in zip(found, right)), self.NUMBERS * largest, name)


class Bits(weft.Case):
    RULES = (["train.clip_grad_norm=0.5"], ["train.clip_grad_value=0.01"], ["train.accumulate=4"],
             ["train.accumulate=3", "train.clip_grad_norm=0.5"],
             ["optimizer={name: sgd, lr: 0.1, weight_decay: 0.05, no_decay: [bias]}", "model=[linear 33 lr=0.5, tanh, linear 10]"],
             ["train.average={name: ema, decay: 0.9}"], ["train.average={name: ema, decay: 0.9}", "train.accumulate=4", "train.clip_grad_norm=0.5"],
             ["train.average={name: swa, start: 2}"], ["train.average={name: swa, start: 20}", "train.epochs=25"],
             ["train.early_stopping=3", "train.epochs=25"],
             ["model=[linear 33, batch_norm, relu, dropout 0.2, linear 10]", "train.early_stopping=3", "train.accumulate=2", "train.epochs=25"],
             ["model=[linear 33, batch_norm lr=0, prelu lr=0, layer_norm l2=0.01, linear 10]", "train.average={name: ema, decay: 0.9}"],
             ["model=[linear 33 lr=0, tanh, linear 10]"], ["model=[linear 33 l1=0.001, tanh, linear 10 l2=0.01]"])

    def setUp(self):
        super().setUp()
        small.make(self.path("small"))
        self.write("e.yaml", SMALL)

    def train(self, folder, rules, *arguments):
        return self.weft("train", "e.yaml", "-o", folder, "--quiet", *[word for rule in rules for word in ("--set", rule)], *arguments)

    def assert_same(self, one, other):
        for name in ("model.safetensors", "best.safetensors", "steps.jsonl"):
            self.assertEqual(self.read(one, name), self.read(other, name), name)
        self.assertEqual(*(weft.without_seconds(self.read_lines(folder, "metrics.jsonl")) for folder in (one, other)))

    def test_threads_change_no_bit(self):
        for i, rules in enumerate(self.RULES):
            with self.subTest(rules=rules):
                for threads in (1, 3):
                    self.train(f"{i}-{threads}", rules, "--threads", str(threads))
                    self.assert_same(f"{i}-{threads}", f"{i}-1")

    def test_every_rule_matters(self):
        for i, rules in enumerate(self.RULES):
            self.train(str(i), rules)
            self.train("plain", [rule for rule in rules if rule.startswith("train.epochs")], "--force")
            self.assertNotEqual(self.read(str(i), "model.safetensors"), self.read("plain", "model.safetensors"), rules)

    def test_a_stopped_run_goes_on_to_the_same_bits(self):
        for i, rules in enumerate(self.RULES):
            with self.subTest(rules=rules):
                long = ["train.epochs=25", *rules]
                self.train(f"{i}-whole", long)
                command = ["train", "e.yaml", "-o", f"{i}-parts", "--quiet", *[word for rule in long for word in ("--set", rule)]]
                process = self.start(*command)
                while process.poll() is None and not (self.exists(f"{i}-parts", "steps.jsonl") and self.read(f"{i}-parts", "steps.jsonl")):
                    pass
                process.send_signal(signal.SIGINT)
                process.communicate()
                self.assertEqual(process.returncode, 130)
                self.train(f"{i}-parts", long, "--resume")
                self.assert_same(f"{i}-whole", f"{i}-parts")


class Small(weft.Case):
    """A run of a few milliseconds, and what changes it."""

    def setUp(self):
        super().setUp()
        small.make(self.path("small"))
        self.write("e.yaml", SMALL)

    def train(self, folder, *sets, quiet=True):
        return self.weft("train", "e.yaml", "-o", folder, *["--quiet"][:quiet], *[word for one in sets for word in ("--set", one)])


class Layers(Small):
    def test_a_frozen_layer_keeps_its_bits(self):
        write_init(self.path("init.safetensors"), 3, (784, 33, 10))
        self.train("run", "train.init=init.safetensors", "model=[linear 33 lr=0, tanh, linear 10]",
                   "optimizer={name: sgd, lr: 0.1, weight_decay: 0.1}")
        before, after = (weft.read_tensors(self.path(name))[0] for name in ("init.safetensors", "run/model.safetensors"))
        for name in before:
            (self.assertEqual if name.startswith("0.") else self.assertNotEqual)(before[name], after[name], name)

    def test_a_model_of_frozen_layers_runs(self):
        self.train("run", "model=[linear 33 lr=0, tanh, linear 10 lr=0]", "train.clip_grad_norm=1")
        first, *others = (line["val_loss"] for line in self.read_lines("run", "metrics.jsonl"))
        self.assertTrue(all(other == first for other in others))

    def test_config_has_the_keys_and_reads_back(self):
        self.train("run", "model=[linear 33 lr=0.5 l2=0.01, tanh, linear 10]",
                   "optimizer={name: sgd, lr: 0.1, weight_decay: 0.05, no_decay: bias}")
        config = self.read("run", "config.yaml").decode()
        for part in ("lr=0.5 l1=0 l2=0.01", "lr=1 l1=0 l2=0", "no_decay: [bias]", "clip_grad_norm: 0", "clip_grad_value: 0", "accumulate: 1"):
            self.assertIn(part, config)
        self.weft("train", "run/config.yaml", "-o", "again", "--quiet")
        self.assertEqual(self.read("run", "model.safetensors"), self.read("again", "model.safetensors"))
        self.assertEqual(self.read_json("run", "run.json")["model"], "linear 33 lr=0.5 l2=0.01, tanh, linear 10")

    def test_metrics_tell_the_penalty_and_keep_it_out_of_the_losses(self):
        self.train("plain", "train.epochs=1", "optimizer={name: sgd, lr: 0}")
        self.train("run", "train.epochs=1", "optimizer={name: sgd, lr: 0}", "model=[linear 33 l1=0.25, tanh, linear 10 l2=0.5]")
        (plain,), (line,) = (self.read_lines(folder, "metrics.jsonl") for folder in ("plain", "run"))
        self.assertNotIn("penalty", plain)
        self.assertEqual((plain["train_loss"], plain["val_loss"]), (line["train_loss"], line["val_loss"]))
        tensors = weft.read_tensors(self.path("run", "model.safetensors"))[0]
        first, last = (weft.tensor_numbers(tensors[name][1]) for name in ("0.weight", "2.weight"))
        right = 0.25 * sum(map(abs, first)) + 0.5 * sum(w * w for w in last)
        self.assertAlmostEqual(line["penalty"] / right, 1, 9)
        self.weft("eval", "run")

    def test_a_kind_of_layer_does_not_decay_at_all(self):
        decay = "optimizer={name: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.05%s}"
        self.train("none", decay.replace("0.05", "0") % "")
        self.train("linear", decay % ", no_decay: [linear]")
        self.assertEqual(*(weft.hash_tensors(self.path(name, "model.safetensors")) for name in ("none", "linear")))


class Averages(Small):
    def test_what_is_measured_is_what_is_saved(self):
        for name, average in (("ema", "{name: ema, decay: 0.9}"), ("swa", "{name: swa, start: 2}")):
            self.train(name, f"train.average={average}")
            last = self.read_lines(name, "metrics.jsonl")[-1]
            said = json.loads(self.weft("eval", name, "--json").stdout)
            self.assertEqual(said["loss"], last["val_loss"])

    def test_averages_do_not_disturb_the_steps(self):
        for name, average in (("none", "none"), ("ema", "{name: ema, decay: 0.9}"), ("swa", "{name: swa, start: 2}")):
            self.train(name, f"train.average={average}")
            self.assertEqual(self.read(name, "steps.jsonl"), self.read("none", "steps.jsonl"), name)

    def test_swa_before_its_start_is_no_average(self):
        self.train("none")
        self.train("swa", "train.average={name: swa, start: 5}")
        self.assertEqual(self.read("none", "model.safetensors"), self.read("swa", "model.safetensors"))

    def test_bf16_averages_too(self):
        process = self.start("summary", "e.yaml", "--set", "train.precision=bf16")
        process.communicate()
        if process.returncode:
            self.skipTest("this CPU has no unit for bf16")
        losses = []
        for precision in ("fp32", "bf16"):
            self.train(precision, "train.average={name: ema, decay: 0.9}", "train.clip_grad_norm=1", "train.accumulate=2",
                       f"train.precision={precision}")
            losses.append(self.read_lines(precision, "metrics.jsonl")[-1]["val_loss"])
        self.assertLess(abs(losses[0] - losses[1]), 0.02 * losses[0])


class EarlyStopping(Small):
    MONITORS = {"val_loss": 1, "val_acc": -1, "train_loss": 1, "train_acc": -1}

    def setUp(self):
        super().setUp()
        self.train("whole", "train.epochs=25")
        self.lines = self.read_lines("whole", "metrics.jsonl")

    def expected(self, monitor, patience, min_delta):
        """The last epoch, and the best one: as keras.callbacks.EarlyStopping has it."""
        best, epoch, waited = math.inf, 0, 0
        for line in self.lines:
            waited += 1
            value = self.MONITORS[monitor] * line[monitor]
            if value < best - min_delta:
                best, epoch, waited = value, line["epoch"], 0
            if waited >= patience:
                break
        return line["epoch"], epoch

    def test_it_ends_where_keras_would_with_the_best_parameters(self):
        ended = 0
        for i, (monitor, patience, min_delta) in enumerate((("val_loss", 1, 0), ("val_loss", 3, 0), ("val_acc", 2, 0), ("val_loss", 2, 0.05),
                                                            ("train_loss", 2, 0.02), ("train_acc", 2, 0.01))):
            with self.subTest(monitor=monitor, patience=patience, min_delta=min_delta):
                last, best = self.expected(monitor, patience, min_delta)
                folder = f"run{i}"
                said = self.train(folder, "train.epochs=25",
                                  f"train.early_stopping={{patience: {patience}, min_delta: {min_delta}, monitor: {monitor}}}").stdout
                self.assertIn(f"epoch {last} was the last; the model has the parameters of epoch {best}, with the best {monitor}", said)
                record = self.read_json(folder, "run.json")
                self.assertEqual((record["status"], record["early_stop_epoch"], record["restored_epoch"]),
                                 ("done", last if last < 25 else 0, best))
                self.assertEqual(weft.without_seconds(self.read_lines(folder, "metrics.jsonl")), weft.without_seconds(self.lines[:last]))
                self.train(f"{folder}-best", f"train.epochs={best}")
                self.assertEqual(self.read(folder, "model.safetensors"), self.read(f"{folder}-best", "model.safetensors"))
                ended += last < 25
        self.assertGreaterEqual(ended, 4)

    def test_it_waits_on_over_a_resume(self):
        stops = ["train.epochs=25", "train.early_stopping=3"]
        self.train("one", *stops)
        last, _ = self.expected("val_loss", 3, 0)
        self.train("two", "train.epochs=" + str(last - 1), stops[1])
        words = [word for one in stops for word in ("--set", one)]
        for _ in range(2):  # what has ended stays so
            self.weft("train", "e.yaml", "-o", "two", "--quiet", "--resume", *words)
            for name in ("model.safetensors", "best.safetensors", "steps.jsonl"):
                self.assertEqual(self.read("one", name), self.read("two", name), name)
            self.assertEqual(self.read_json("two", "run.json")["early_stop_epoch"], last)


class Steps_of_several_batches(Small):
    def test_an_epoch_has_fewer_of_them(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "train.accumulate=4", "--set", "train.epochs=2")
        self.assertEqual(len(self.read_lines("run", "steps.jsonl")), 2 * 5)  # 19 batches
        self.assertEqual(self.read_json("run", "run.json")["steps"], 10)

    def test_the_mean_of_an_epochs_losses_is_over_batches(self):
        for name, accumulate in (("one", 1), ("five", 5)):
            self.weft("train", "e.yaml", "-o", name, "--quiet", "--set", f"train.accumulate={accumulate}", "--set", "train.epochs=1",
                      "--set", "optimizer={name: sgd, lr: 0}")
        one, five = (self.read_lines(name, "metrics.jsonl")[0]["train_loss"] for name in ("one", "five"))
        self.assertAlmostEqual(one, five, 12)

    def test_max_steps_counts_them(self):
        self.weft("train", "e.yaml", "-o", "run", "--quiet", "--set", "train.accumulate=4", "--set", "train.max_steps=7")
        self.assertEqual([line["step"] for line in self.read_lines("run", "steps.jsonl")], list(range(1, 8)))


class Mistakes(Small):
    def refused(self, *sets):
        result = self.weft("train", "e.yaml", "-o", "run", *[word for one in sets for word in ("--set", one)], code=2)
        self.assertFalse(self.exists("run"))
        return result.stderr

    def test_what_cannot_be_is_refused(self):
        self.assertIn("leave clip_grad_norm or clip_grad_value out", self.refused("train.clip_grad_norm=1", "train.clip_grad_value=1"))
        self.assertIn("clip_grad_norm is -1, but must be at least 0", self.refused("train.clip_grad_norm=-1"))
        self.assertIn("leave lr, or l1 and l2, out", self.refused("model=[linear 33 lr=0 l2=1, relu, linear 10]"))
        self.assertIn('unknown key "l2" of layer relu', self.refused("model=[linear 33, relu l2=1, linear 10]"))
        self.assertIn('unknown kind of parameters "biases"; did you mean "bias"?', self.refused("optimizer.no_decay=[linear, biases]"))
        self.assertIn("l1 is -1, but must be at least 0", self.refused("model=[linear 33 l1=-1, relu, linear 10]"))
        self.assertIn("decay is of ema, but average's name is swa", self.refused("train.average={name: swa, decay: 0.9}"))
        self.assertIn("start is of swa, but average's name is ema", self.refused("train.average={name: ema, start: 3}"))
        self.assertIn("decay is 1, but must be at least 0 and below 1", self.refused("train.average={name: ema, decay: 1}"))
        self.assertIn('unknown name "emma"; did you mean "ema"?', self.refused("train.average=emma"))
        self.assertIn('unknown monitor "loss"', self.refused("train.early_stopping.monitor=loss"))
        self.assertIn('unknown key "patients" of early_stopping; did you mean "patience"?', self.refused("train.early_stopping={patients: 3}"))
        self.assertIn("accumulate is 0, but must be at least 1", self.refused("train.accumulate=0"))

    def test_a_norm_that_is_not_finite_stops_the_run(self):
        """A tiny first layer and a huge second one on huge inputs: the loss is finite, the first layer's gradient is not."""
        path = self.path("init.safetensors")
        write_init(path, 1, (784, 33, 10))
        content = self.read(path)
        body = 8 + int.from_bytes(content[:8], "little")
        numbers = weft.tensor_numbers(content[body:])
        scaled = array.array("f", [value * (1e-36 if i < 785 * 33 else 1e39) for i, value in enumerate(numbers)])
        self.write(path, content[:body] + scaled.tobytes())
        for accumulate in ("1", "2"):
            result = self.weft("train", "e.yaml", "-o", f"run{accumulate}", "--set", "train.clip_grad_norm=1", "--set",
                               f"train.accumulate={accumulate}", "--set", "train.init=init.safetensors", "--set", "data.scale=1e-9", code=3)
            self.assertIn("step 1: the norm of the gradients is not finite, although the loss is", result.stderr)
            self.assertEqual(self.read_json(f"run{accumulate}", "run.json")["status"], "diverged")


if __name__ == "__main__":
    weft.main()
