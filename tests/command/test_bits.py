#!/usr/bin/python3
"""Same seed, same bits: whatever the number of threads and the instruction set."""
import os
import shutil
import unittest

import small
import weft

# Sizes that leave tails in every vector width, and every function that could differ between instruction sets.
EXPERIMENT = """\
data: {set: fashion-mnist, scale: 255}
model: [linear 301, relu, linear 77, tanh, linear 33, sigmoid, linear 10]
train: {epochs: 1, batch: 33, seed: 7, max_steps: 200, log_steps: true}
"""
OPTIMIZERS = {"sgd": "{name: sgd, lr: 0.1, momentum: 0.9}", "adam": "{name: adam, lr: 0.001}"}
# SHA-256 of the tensors after those steps, and after 15 on a data set small enough for an emulator: on instruction sets that fuse
# multiply-adds, and on v2, which cannot. They change with the arithmetic and with nothing else: whoever changes that says so.
GOLDEN = {
    "sgd": {"fused": "fdbba9d0f0ba3bc52dfaa27cf1a4c704433c5064d6660f722ab910b246df3094",
            "v2": "c7341d6f362070fc225152934170dc6de46916087d3e4a1ff93614deb5b45190"},
    "adam": {"fused": "fffbaa26c7f5f3c3e9fa3db910f7cbee683017f487e7def8adfa882874fb2954",
             "v2": "69c7cac914f80c06151b3be453970272eb5713d3de029943b05cdacb1cf92b44"},
}
GOLDEN_OF_SMALL = {
    "sgd": {"fused": "a1c22bf16b7c017b4eff1d3b0c93937c63aedb474f81a53dfd79085430702d61",
            "v2": "a3135df57cf3f93bfc56b5f8587593dc9a02146dedf57425e9474242a62f070b"},
    "adam": {"fused": "afb28d3f373ea3168de3cf18876287d35172cfcd309ef2d027057bdd51a4f729",
             "v2": "4c60622d95d92d8293a156eee3d1187c57bdef87ed1fab177aa9e73e23f993d3"},
}


class Bits(weft.Case):
    def train(self, optimizer, isa, threads):
        folder = f"{optimizer}-{isa}-{threads}"
        self.weft("train", "bits.yaml", "-o", folder, "--quiet", "--threads", str(threads), "--set", f"optimizer={OPTIMIZERS[optimizer]}",
                  env={"WEFT_ISA": isa})
        return folder

    def check(self, experiment, optimizer, isa, golden, counts=(1, 2, 3, 8)):
        if not weft.has_isa(isa):
            self.skipTest(f"this CPU does not run {isa}")
        self.write("bits.yaml", experiment)
        folders = [self.train(optimizer, isa, threads) for threads in counts]
        for folder in folders:
            self.assertEqual(weft.hash_tensors(self.path(folder, "model.safetensors")), golden["v2" if isa == "v2" else "fused"], folder)
            self.assertEqual(self.read(folder, "model.safetensors"), self.read(folders[0], "model.safetensors"), folder)
            self.assertEqual(self.read(folder, "steps.jsonl"), self.read(folders[0], "steps.jsonl"), folder)
            self.assertEqual(*(weft.without_seconds(self.read_lines(one, "metrics.jsonl")) for one in (folder, folders[0])), folder)

    def small_experiment(self, *sizes):
        return EXPERIMENT.replace("fashion-mnist", small.make(self.path("small"), *sizes))

    def check_real(self, optimizer, isa):
        self.check(EXPERIMENT, optimizer, isa, GOLDEN[optimizer])

    def check_small(self, optimizer, isa):
        experiment = self.small_experiment().replace("max_steps: 200", "max_steps: 15")
        self.check(experiment, optimizer, isa, GOLDEN_OF_SMALL[optimizer], (1, 3))

    def test_the_best_instruction_set_of_this_cpu_is_used(self):
        best = [isa for isa in weft.ISAS if weft.has_isa(isa)][-1]
        self.write("bits.yaml", self.small_experiment(60, 10))
        self.weft("train", "bits.yaml", "-o", "run", "--quiet")
        self.assertEqual(self.read_json("run", "run.json")["isa"], best)

    @unittest.skipUnless(weft.ARCH == "x86_64" and not weft.SAN and shutil.which("qemu-x86_64"), "there is no emulator for old CPUs here")
    def test_an_older_cpu_runs_what_it_has(self):
        self.write("bits.yaml", self.small_experiment(60, 10))
        for cpu, isa in (("Nehalem", "v2"), ("Haswell", "v3")):
            self.weft("train", "bits.yaml", "-o", cpu, "--quiet", "--set", "train.max_steps=1", emulator=["qemu-x86_64", "-cpu", cpu])
            self.assertEqual(self.read_json(cpu, "run.json")["isa"], isa)
        result = self.weft("train", "bits.yaml", "-o", "run", code=2, emulator=["qemu-x86_64", "-cpu", "core2duo"])
        self.assertIn("needs a CPU with SSE4.2", result.stderr)
        self.assertFalse(self.exists("run"))

    def test_another_seed_gives_other_bits(self):
        self.write("bits.yaml", self.small_experiment(60, 10))
        for seed in ("7", "8"):
            self.weft("train", "bits.yaml", "-o", seed, "--quiet", "--seed", seed, "--set", "train.max_steps=1")
        self.assertNotEqual(*(weft.hash_tensors(self.path(seed, "model.safetensors")) for seed in ("7", "8")))

    def test_another_place_and_name_of_the_folder_change_nothing(self):
        self.write("bits.yaml", self.small_experiment(60, 10))
        os.mkdir(self.path("there"))
        self.weft("train", "bits.yaml", "-o", "a", "--quiet", "--set", "train.max_steps=5")
        self.weft("train", "../bits.yaml", "-o", "b b/c", "--quiet", "--set", "train.max_steps=5", cwd=self.path("there"))
        self.assertEqual(self.read("a", "model.safetensors"), self.read("there", "b b", "c", "model.safetensors"))

    def test_an_unknown_instruction_set_is_refused(self):
        self.write("bits.yaml", EXPERIMENT)
        for word in ("nonsense", "V3", "NEON", "v1", "v3 "):
            with self.subTest(WEFT_ISA=word):
                result = self.weft("train", "bits.yaml", "-o", "run", code=2, env={"WEFT_ISA": word})
                self.assertIn("WEFT_ISA", result.stderr)
                self.assertIn(word, result.stderr)
                for isa in weft.ISAS:
                    self.assertRegex(result.stderr, rf"\b{isa}\b")
                self.assertFalse(self.exists("run"))


def add_tests():
    """One for each optimizer, instruction set and data set; the real one would take an emulator minutes."""
    checks = (Bits.check_small,) if weft.EMULATOR else (Bits.check_real, Bits.check_small)
    for optimizer in OPTIMIZERS:
        for isa in weft.ISAS:
            for check in checks:
                name = f"test_{optimizer}_on_{isa}_gives_the_golden_bits_with_any_number_of_threads_{check.__name__[6:]}"
                setattr(Bits, name, lambda self, check=check, optimizer=optimizer, isa=isa: check(self, optimizer, isa))


add_tests()
if __name__ == "__main__":
    weft.main()
