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
    "sgd": {"fused": "39a31e3a96cb95e377300a4a507fb99897f25253a018d8084d39ecbcddf37489",
            "v2": "cf14cbcd66e1f185d17c18a26a47ee6cb06fd32e59cb884467ad57849c2ffaee"},
    "adam": {"fused": "c1a3363c66bf6a316534ca9e2f210a59345949ee74f55691bfea3100d8bf131d",
             "v2": "7778a690d39edf109e70d895583aee6e386e5f1a222a1182aea07a15ea68a906"},
}
GOLDEN_OF_SMALL = {
    "sgd": {"fused": "6f3ad3d126db7a2fa0dc67ad89c27cd249a7a7984c61370bfb4022d263af1a5f",
            "v2": "5eb2ab9dcbcd544a65f03d8fab2ce17a4f035e1eb3feab2b629890703b0f1c9a"},
    "adam": {"fused": "62751c6d7e3fa09d6a9602697b096897cc89e9be356b5d32f0731860ba495d17",
             "v2": "3140df0da44b20ac5f944f0451321db5bfedce57c3df0a74bc45cd395a2887a7"},
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

    def test_what_is_logged_probed_and_saved_and_when_changes_nothing(self):
        self.write("bits.yaml", self.small_experiment(90, 10))
        told = ["train.log_steps=false"], ["train.probes=false"], ["checkpoint.every_steps=1"], ["checkpoint.every_steps=4", "train.log_steps=false"], \
            ["checkpoint.every_seconds=0.001", "train.probes=false"]
        hashes = {}
        for settings in ([], *told):
            folder = f"run{len(hashes)}"
            sets = [word for setting in (*settings, "train.epochs=4", "train.max_steps=0") for word in ("--set", setting)]
            self.weft("train", "bits.yaml", "-o", folder, "--quiet", *sets)
            hashes[folder] = weft.hash_tensors(self.path(folder, "model.safetensors")), weft.hash_tensors(self.path(folder, "best.safetensors"))
            self.assertEqual(*(weft.without_seconds(self.read_lines(one, "metrics.jsonl")) for one in (folder, "run0")), settings)
        self.assertEqual(len(hashes), 6)
        self.assertEqual(len(set(hashes.values())), 1, hashes)

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
