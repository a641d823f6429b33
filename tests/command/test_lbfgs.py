#!/usr/bin/python3
"""L-BFGS trains as PyTorch's does, threads and stops change no bit, a batch may be the whole set, and what it cannot do is refused."""
import json
import os
import signal

import small
import weft
from init_params import write_init

N_TRAIN = 2000
EXPERIMENT = """\
data: {set: small, scale: 255}
model: [linear 16, tanh, linear 10]
optimizer: {name: lbfgs, max_iter: 4, history_size: 3, line_search_fn: strong_wolfe}
train: {epochs: 20, batch: full, seed: 3, log_steps: true}
"""
with open(os.path.join(weft.TESTS, "fixtures", "lbfgs.json")) as fixture:
    NETWORKS = [case for case in json.load(fixture)["cases"] if case["problem"] == "network"]


class Case(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"), N_TRAIN, 100)
        self.write("e.yaml", EXPERIMENT)

    def train(self, folder, *sets, arguments=(), code=0):
        return self.weft("train", "e.yaml", "-o", folder, "--quiet", *[word for one in sets for word in ("--set", one)], *arguments, code=code)

    def assert_same(self, one, other):
        for name in ("model.safetensors", "best.safetensors", "steps.jsonl"):
            self.assertEqual(self.read(one, name), self.read(other, name), name)
        self.assertEqual(*(weft.without_seconds(self.read_lines(folder, "metrics.jsonl")) for folder in (one, other)))


class Steps(Case):
    LOSS = 1e-4  # relative

    def test_losses_are_pytorchs(self):
        write_init(self.path("init.safetensors"), 5, (784, 16, 10))
        self.assertGreaterEqual(len(NETWORKS), 3)
        for case in NETWORKS:
            with self.subTest(case["spec"]):
                self.assertGreater(len(case["losses"]), 5)
                name, *settings = case["spec"].split()
                optimizer = ", ".join([f"name: {name}"] + [one.replace("=", ": ") for one in settings])
                self.train("run", f"optimizer={{{optimizer}}}", "train.init=init.safetensors", f"train.epochs={len(case['losses'])}",
                           "train.shuffle=false", arguments=["--force"])
                found = [line["loss"] for line in self.read_lines("run", "steps.jsonl")]
                self.assertEqual(len(found), len(case["losses"]))
                for i, (loss, right) in enumerate(zip(found, case["losses"])):
                    self.assertLessEqual(abs(loss - right), self.LOSS * right, f"step {i + 1}: {loss}, PyTorch {right}")


class Bits(Case):
    BATCHES = (["train.batch=full"], ["train.batch=300"], ["train.batch=300", "optimizer={name: lbfgs, lr: 0.1, max_iter: 3, history_size: 5}"],
               ["train.batch=300", "model=[linear 16 lr=0, tanh, linear 10]"])

    def test_threads_change_no_bit(self):
        for i, sets in enumerate(self.BATCHES):
            for threads in (1, 3):
                self.train(f"{i}-{threads}", *sets, "train.epochs=3", arguments=["--threads", str(threads)])
            self.assert_same(f"{i}-1", f"{i}-3")

    def test_a_stopped_run_goes_on_to_the_same_bits(self):
        for i, sets in enumerate(self.BATCHES):
            with self.subTest(sets=sets):
                self.train(f"{i}-whole", *sets)
                command = ["train", "e.yaml", "-o", f"{i}-parts", "--quiet", *[word for one in sets for word in ("--set", one)]]
                process = self.start(*command)
                while process.poll() is None and not (self.exists(f"{i}-parts", "steps.jsonl") and self.read(f"{i}-parts", "steps.jsonl")):
                    pass
                process.send_signal(signal.SIGINT)
                process.communicate()
                self.assertEqual(process.returncode, 130)
                self.train(f"{i}-parts", *sets, arguments=["--resume"])
                self.assert_same(f"{i}-whole", f"{i}-parts")

    def test_bf16_sees_every_place_that_a_step_looks_at(self):
        sets = ["optimizer={name: lbfgs, max_iter: 3}", "train.epochs=3"]
        for folder, *more in (("fp32",), ("bf16", "train.precision=bf16")):
            process = self.start("train", "e.yaml", "-o", folder, "--quiet", *[word for one in sets + more for word in ("--set", one)])
            said = process.communicate()[1]
            if process.returncode == 2 and "precision bf16 needs a CPU" in str(said):
                self.skipTest("this CPU has no unit for bf16")
            self.assertEqual(process.returncode, 0, said)
        for line, right in zip(*(self.read_lines(folder, "steps.jsonl") for folder in ("bf16", "fp32"))):
            self.assertLess(abs(line["loss"] / right["loss"] - 1), 0.02, line)

    def test_a_frozen_layer_keeps_its_bits(self):
        write_init(self.path("init.safetensors"), 5, (784, 16, 10))
        self.train("run", "train.init=init.safetensors", "train.epochs=2", "model=[linear 16 lr=0, tanh, linear 10]")
        before, after = (weft.read_tensors(self.path(name))[0] for name in ("init.safetensors", "run/model.safetensors"))
        for name in before:
            (self.assertEqual if name.startswith("0.") else self.assertNotEqual)(before[name], after[name], name)

    def test_other_optimizers_checkpoints_have_nothing_of_it(self):
        self.train("sgd", "optimizer=sgd", "train.epochs=1")
        self.train("lbfgs", "train.epochs=1")
        notes = {name: weft.read_tensors(self.path(name, "checkpoint", "state.safetensors")) for name in ("sgd", "lbfgs")}
        self.assertNotIn("optimizer.scalars", notes["sgd"][1])
        self.assertIn("optimizer.scalars", notes["lbfgs"][1])
        self.assertEqual([name for name in notes["sgd"][0] if name.startswith("optimizer.")], [])
        self.assertIn("optimizer.2.bias.vector.0", notes["lbfgs"][0])


class Whole_sets(Case):
    def test_full_is_the_training_set(self):
        self.train("full", "train.epochs=2", "optimizer={name: sgd, lr: 0.1}")
        self.train("number", "train.epochs=2", "optimizer={name: sgd, lr: 0.1}", f"train.batch={N_TRAIN}")
        self.assertEqual(len(self.read_lines("full", "steps.jsonl")), 2)
        self.assert_same("full", "number")
        self.assertIn("batch: full", self.read("full", "config.yaml").decode())
        self.assertEqual(self.read_json("full", "run.json")["batch"], N_TRAIN)
        self.weft("train", "full/config.yaml", "-o", "again", "--quiet")
        self.assert_same("full", "again")
        self.assertIn(f"a training step of batch {N_TRAIN} with", self.weft("summary", "e.yaml").stdout)

    def test_another_word_is_refused(self):
        self.assertIn('batch must be a whole number or full, not "all"', self.train("run", "train.batch=all", code=2).stderr)
        self.assertIn("batch is 0, but must be at least 1", self.train("run", "train.batch=0", code=2).stderr)


class Mistakes(Case):
    def test_what_it_cannot_do_is_refused(self):
        for setting, words in (("train.clip_grad_norm=1", "lbfgs needs the gradients of the loss as they are"),
                               ("train.clip_grad_value=1", "lbfgs needs the gradients of the loss as they are"),
                               ("train.accumulate=2", "lbfgs looks at a batch again and again, so a step has one"),
                               ("train.average=ema", "lbfgs has no averages"),
                               ("model=[linear 16 lr=0.5, tanh, linear 10]", "layer 0 (linear): lbfgs moves all parameters together"),
                               ("model=[linear 16, tanh, linear 10 l2=1]", "layer 2 (linear): lbfgs moves all parameters together")):
            self.assertIn(words, self.train("run", setting, code=2).stderr)
            self.assertFalse(self.exists("run"))

    def test_a_run_that_diverges_keeps_the_parameters_of_before_the_epoch(self):
        write_init(self.path("init.safetensors"), 5, (784, 16, 10))
        result = self.train("run", "train.init=init.safetensors", "model=[linear 16, relu, linear 10]", "optimizer={name: lbfgs, lr: 1e9}", code=3)
        self.assertIn("step 1: the loss is", result.stderr)
        self.assertEqual(*(weft.read_tensors(self.path(name))[0] for name in ("init.safetensors", "run/model.safetensors")))


if __name__ == "__main__":
    weft.main()
