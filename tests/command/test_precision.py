#!/usr/bin/python3
"""train: {precision: bf16}: the same bits for any number of threads and after a stop, near fp32, said wherever a run says what it is, and refused
where the CPU cannot."""
import json
import signal
import unittest

import small
import weft

UNITS = ("amx", "avx512")
EXPERIMENT = """\
data: {set: small, scale: 255}
model: [linear 301, relu, linear 77, tanh, linear 10]
optimizer: {name: adam, lr: 0.001}
train: {epochs: 3, batch: 33, seed: 7, log_steps: true, precision: bf16}
"""


class Precision(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"))
        self.write("e.yaml", EXPERIMENT)

    def units(self):
        """Those that this CPU has, as an environment."""
        found = []
        for unit in UNITS:
            process = self.start("summary", "e.yaml", env={"WEFT_BF16": unit})
            process.communicate()
            if process.returncode == 0:
                found.append({"WEFT_BF16": unit})
        if not found:
            self.skipTest("this CPU has no unit for bf16")
        return found

    def train(self, folder, *arguments, env=None, **options):
        return self.weft("train", "e.yaml", "-o", folder, "--quiet", *arguments, env=env, **options)

    def test_threads_change_no_bit(self):
        for env in self.units():
            folders = [f"{env['WEFT_BF16']}-{threads}" for threads in (1, 2, 3, 8)]
            for folder in folders:
                self.train(folder, "--threads", folder.split("-")[1], env=env)
                for name in ("model.safetensors", "steps.jsonl"):
                    self.assertEqual(self.read(folder, name), self.read(folders[0], name), folder)

    def test_a_stopped_run_goes_on_to_the_same_bits(self):
        for env in self.units():
            unit = env["WEFT_BF16"]
            whole, parts = unit, unit + "-parts"
            self.train(whole, env=env)
            process = self.start("train", "e.yaml", "-o", parts, "--quiet", "--set", "train.epochs=1000", env=env)
            while not self.exists(parts, "checkpoint", "state.safetensors"):
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGKILL)
            process.communicate()
            epochs = len(self.read_lines(parts, "metrics.jsonl"))
            if epochs >= 3:
                self.train(whole, "--force", "--set", f"train.epochs={epochs + 1}", env=env)
            self.train(parts, "--resume", "--set", f"train.epochs={max(3, epochs + 1)}", env=env)
            self.assertEqual(weft.hash_tensors(self.path(whole, "model.safetensors")), weft.hash_tensors(self.path(parts, "model.safetensors")))

    def test_a_run_keeps_its_precision_and_its_unit(self):
        env = self.units()[0]
        self.train("run", "--set", "train.epochs=1", env=env)
        said = self.train("run", "--resume", "--set", "train.precision=fp32", code=2).stderr
        self.assertIn(f'train.precision "bf16 on v4+{env["WEFT_BF16"]}", but now it is "fp32"', said)
        for other in self.units()[1:]:
            self.assertIn("train.precision", self.train("run", "--resume", env=other, code=2).stderr)

    def test_a_run_says_its_precision(self):
        env = self.units()[0]
        for precision, isa in (("bf16", f"v4+{env['WEFT_BF16']}"), ("fp32", "v4")):
            setting = f"train.precision={precision}"
            self.train(precision, "--set", setting, "--set", "train.epochs=1", env=env)
            self.assertIn(f"precision: {precision}", self.read(precision, "config.yaml").decode())
            record = self.read_json(precision, "run.json")
            self.assertEqual((record["precision"], record["isa"]), (precision, isa))
            said = self.weft("summary", "e.yaml", "--set", setting, "--plan", env=env).stdout
            self.assertIn(f" in {precision}: ", said)
            self.assertIn(f", {isa}, ", said)

    def test_losses_are_another_arithmetics_but_near(self):
        """Numbers are rounded to 8 bits: what an epoch ends at moves by a fraction of 2^-8, and not at all by no rounding."""
        self.train("fp32", "--set", "train.precision=fp32")
        for env in self.units():
            self.train(env["WEFT_BF16"], env=env)
            for mine, other in zip(self.read_lines(env["WEFT_BF16"], "metrics.jsonl"), self.read_lines("fp32", "metrics.jsonl")):
                self.assertNotEqual(mine["train_loss"], other["train_loss"])
                self.assertAlmostEqual(mine["train_loss"], other["train_loss"], delta=other["train_loss"] / 256)

    def test_a_model_is_evaluated_in_fp32(self):
        env = self.units()[0]
        self.train("run", env=env)
        said = self.weft("eval", "run", "--json", env={"WEFT_BF16": "none"}).stdout
        self.assertEqual(json.loads(said)["loss"], self.read_lines("run", "metrics.jsonl")[-1]["val_loss"])

    def test_fp32_is_what_goes_without_saying(self):
        self.write("e.yaml", EXPERIMENT.replace(", precision: bf16", ""))
        self.train("run", "--set", "train.epochs=1")
        self.assertEqual(self.read_json("run", "run.json")["precision"], "fp32")
        self.assertIn("precision: fp32", self.read("run", "config.yaml").decode())

    def test_a_cpu_that_cannot_is_told_so_where_it_was_asked(self):
        for command in ("train", "summary", "compare"):
            said = self.weft(command, "e.yaml", env={"WEFT_BF16": "none"}, code=2).stderr
            self.assertIn("weft: e.yaml:4:68: precision bf16 needs a CPU with AMX-BF16 or AVX512-BF16; leave precision out, or ", said)
        self.assertFalse(self.exists("runs"))

    def test_an_unknown_precision_and_unit_are_refused(self):
        said = self.train("run", "--set", "train.precision=bf61", code=2).stderr
        self.assertIn('unknown precision "bf61"; did you mean "bf16"?', said)
        self.assertIn('"avx"', self.train("run", env={"WEFT_BF16": "avx"}, code=2).stderr)

    @unittest.skipUnless(weft.ARCH == "x86_64", "of other CPUs")
    def test_an_older_instruction_set_has_no_unit(self):
        if not weft.has_isa("v3"):
            self.skipTest("this CPU does not run v3")
        self.assertIn("precision bf16 needs ", self.train("run", env={"WEFT_ISA": "v3"}, code=2).stderr)


if __name__ == "__main__":
    weft.main()
