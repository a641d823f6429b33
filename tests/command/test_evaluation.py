#!/usr/bin/python3
"""What an evaluation says of a model: in a run folder, as text, as JSON, in figures."""
import base64
import json

import small
import weft

SPLIT = 100  # test images


class RunFolder(weft.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", weft.TUTORIAL.replace("fashion-mnist", small.make(self.path("set"), 600, SPLIT)).replace("sgd, lr: 0.01", "adam"))

    def test_a_run_that_ended_says_how_well_its_model_does(self):
        said = self.weft("train", "e.yaml", "-o", "run", "--set", "train.epochs=3").stdout
        self.assertIn("evaluation.json", said)
        e, last = self.read_json("run", "evaluation.json"), self.read_lines("run", "metrics.jsonl")[-1]
        self.assertEqual((e["split"], e["task"], e["n"]), ("test", "classification", SPLIT))
        self.assertEqual((e["loss"], e["accuracy"]), (last["val_loss"], last["val_acc"]))
        right = sum(e["confusion"][i][i] for i in range(10))
        self.assertEqual(right, round(e["accuracy"] * SPLIT))
        self.assertEqual([sum(row) for row in e["confusion"]], [c["n"] for c in e["classes"]])
        self.assertTrue(e["interval"][0] < e["accuracy"] < e["interval"][1])
        bins = e["calibration"]["bins"]
        self.assertEqual(sum(b["n"] for b in bins), SPLIT)
        self.assertAlmostEqual(sum(b["n"] * b["accuracy"] for b in bins), right)
        self.assertAlmostEqual(e["calibration"]["ece"], sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / SPLIT)
        for i, b in enumerate(bins):
            self.assertTrue(b["n"] == 0 or i / 15 < b["confidence"] <= (i + 1) / 15, b)

    def test_its_worst_samples_are_those_of_the_highest_loss(self):
        self.weft("train", "e.yaml", "-o", "run")
        e = self.read_json("run", "evaluation.json")
        losses = [w["loss"] for w in e["worst"]]
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.assertEqual(len({w["index"] for w in e["worst"]}), 25)
        self.assertGreater(losses[0], e["loss"])
        images, labels = (self.read("set", name)[offset:] for name, offset in zip(small.FILES["test"], (16, 8)))
        for w, pixels in zip(e["worst"], e["pixels"], strict=True):
            self.assertEqual(base64.b64decode(pixels), images[784 * w["index"]:784 * (w["index"] + 1)])
            self.assertEqual(w["label"], labels[w["index"]])
        # not one of the others is worse: their losses sum up to what is left
        rest = e["loss"] * SPLIT - sum(losses)
        self.assertLessEqual(rest, losses[-1] * (SPLIT - 25))

    def test_it_is_the_same_for_any_number_of_threads(self):
        files = []
        for threads in "1", "2", "3":
            self.weft("train", "e.yaml", "-o", "run", "--force", "--threads", threads)
            files.append(self.read("run", "evaluation.json"))
        self.assertEqual(files, files[:1] * 3)

    def test_a_run_that_goes_on_has_none_until_it_ends(self):
        self.weft("train", "e.yaml", "-o", "run")
        before = self.read_json("run", "evaluation.json")
        self.weft("train", "e.yaml", "-o", "run", "--resume", "--set", "train.epochs=2")
        self.assertNotEqual(self.read_json("run", "evaluation.json"), before)
        self.assertEqual(self.read_json("run", "evaluation.json")["loss"], self.read_lines("run", "metrics.jsonl")[1]["val_loss"])

    def test_of_a_run_that_diverged_it_is_of_the_last_good_parameters(self):
        self.weft("train", "e.yaml", "-o", "run", "--set", "optimizer={name: sgd, lr: 1e9}", code=3)
        e = self.read_json("run", "evaluation.json")
        self.assertEqual(e["loss"], json.loads(self.weft("eval", "run", "--json").stdout)["loss"])


weft.main()
