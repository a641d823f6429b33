#!/usr/bin/python3
"""Training whose loss is no longer a number: it stops, says where, and keeps the last good parameters."""
import math

import weft


class Diverge(weft.Case):
    def diverge(self, *more):
        self.write("e.yaml", weft.TUTORIAL)
        return self.weft("train", "e.yaml", "-o", "run", "--set", "data.scale=1", "--set", "optimizer.lr=1e6", *more, code=3)

    def test_it_names_the_step_and_the_layer(self):
        result = self.diverge()
        self.assertRegex(result.stderr, r"weft: training: step \d+: the loss is (nan|inf); layer \d \((linear|relu).*\) is the first")

    def test_the_parameters_it_keeps_are_finite(self):
        self.diverge()
        tensors, _ = weft.read_tensors(self.path("run", "model.safetensors"))
        self.assertEqual(len(tensors), 4)
        for name, (_, data) in tensors.items():
            self.assertTrue(all(map(math.isfinite, weft.tensor_numbers(data))), name)

    def test_the_run_is_marked_as_diverged(self):
        self.diverge()
        record = self.read_json("run", "run.json")
        self.assertEqual(record["status"], "diverged")
        self.assertRegex(record["message"], r"step \d+")

    def test_what_it_says_is_the_same_for_any_number_of_threads(self):
        said = [self.diverge("--threads", str(n), "--force").stderr for n in (1, 2, 3)]
        self.assertEqual(said[0].splitlines()[-1], said[1].splitlines()[-1])
        self.assertEqual(said[0].splitlines()[-1], said[2].splitlines()[-1])


weft.main()
