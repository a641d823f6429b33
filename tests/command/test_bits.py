#!/usr/bin/python3
"""Same seed, same bits: whatever the number of threads and the instruction set."""
import os

import weft

# Sizes that leave tails in every vector width, and every function that could differ between instruction sets.
EXPERIMENT = """\
data: {set: fashion-mnist, scale: 255}
model: [linear 301, relu, linear 77, tanh, linear 33, sigmoid, linear 10]
train: {epochs: 1, batch: 33, seed: 7, max_steps: 200, log_steps: true}
"""
OPTIMIZERS = {"sgd": "{name: sgd, lr: 0.1, momentum: 0.9}", "adam": "{name: adam, lr: 0.001}"}
# SHA-256 of the tensors after those steps. It changes with the arithmetic and with nothing else: whoever changes that says so.
GOLDEN = {
    "sgd": "fdbba9d0f0ba3bc52dfaa27cf1a4c704433c5064d6660f722ab910b246df3094",
    "adam": "f2f05ca29e2c65aa7258e926ba61ce74f25a8b14cd4d2a900ebd20c1d0e00747",
}


class Bits(weft.Case):
    def train(self, optimizer, isa, threads):
        folder = f"{optimizer}-{isa}-{threads}"
        self.weft("train", "bits.yaml", "-o", folder, "--quiet", "--threads", str(threads), "--set", f"optimizer={OPTIMIZERS[optimizer]}",
                  env={"WEFT_ISA": isa})
        return folder

    def check(self, optimizer, isa):
        if not weft.has_isa(isa):
            self.skipTest(f"this CPU does not run {isa}")
        self.write("bits.yaml", EXPERIMENT)
        folders = [self.train(optimizer, isa, threads) for threads in (1, 2, 3, 8)]
        for folder in folders:
            self.assertEqual(weft.hash_tensors(self.path(folder, "model.safetensors")), GOLDEN[optimizer], folder)
            self.assertEqual(self.read(folder, "model.safetensors"), self.read(folders[0], "model.safetensors"), folder)
            self.assertEqual(self.read(folder, "steps.jsonl"), self.read(folders[0], "steps.jsonl"), folder)
            self.assertEqual(*(weft.without_seconds(self.read_lines(one, "metrics.jsonl")) for one in (folder, folders[0])), folder)

    def test_sgd_with_avx2_gives_the_golden_bits_with_any_number_of_threads(self):
        self.check("sgd", "v3")

    def test_sgd_with_avx512_gives_the_golden_bits_with_any_number_of_threads(self):
        self.check("sgd", "v4")

    def test_adam_with_avx2_gives_the_golden_bits_with_any_number_of_threads(self):
        self.check("adam", "v3")

    def test_adam_with_avx512_gives_the_golden_bits_with_any_number_of_threads(self):
        self.check("adam", "v4")

    def test_another_seed_gives_other_bits(self):
        self.write("bits.yaml", EXPERIMENT)
        for seed in ("7", "8"):
            self.weft("train", "bits.yaml", "-o", seed, "--quiet", "--seed", seed, "--set", "train.max_steps=1")
        self.assertNotEqual(*(weft.hash_tensors(self.path(seed, "model.safetensors")) for seed in ("7", "8")))

    def test_another_place_and_name_of_the_folder_change_nothing(self):
        self.write("bits.yaml", EXPERIMENT)
        os.mkdir(self.path("there"))
        self.weft("train", "bits.yaml", "-o", "a", "--quiet", "--set", "train.max_steps=5")
        self.weft("train", "../bits.yaml", "-o", "b b/c", "--quiet", "--set", "train.max_steps=5", cwd=self.path("there"))
        self.assertEqual(self.read("a", "model.safetensors"), self.read("there", "b b", "c", "model.safetensors"))

    def test_an_unknown_instruction_set_is_refused(self):
        self.write("bits.yaml", EXPERIMENT)
        for word in ("nonsense", "V3", "v2", "v3 "):
            with self.subTest(WEFT_ISA=word):
                result = self.weft("train", "bits.yaml", "-o", "run", code=2, env={"WEFT_ISA": word})
                self.assertIn("WEFT_ISA", result.stderr)
                self.assertIn(word, result.stderr)
                self.assertFalse(self.exists("run"))


if __name__ == "__main__":
    weft.main()
