#!/usr/bin/python3
"""What an evaluation says of a model: in a run folder, as text, as JSON, in figures."""
import base64
import json
import os

import small
import weft

import synthetic  # weft knows where the fixtures are

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

    def test_the_command_says_the_same_as_the_run(self):
        self.weft("train", "e.yaml", "-o", "run")
        said = self.weft("eval", "run", "--json", "-o", "out")
        self.assertEqual(said.stdout.encode(), self.read("run", "evaluation.json"))
        self.assertEqual(said.stdout.encode(), self.read("out", "evaluation.json"))
        self.assertIn("wrote out: evaluation.json", said.stderr)
        of_training = json.loads(self.weft("eval", "run", "--json", "--split", "train", "--worst", "3").stdout)
        self.assertEqual((of_training["n"], len(of_training["worst"]), len(of_training["pixels"])), (600, 3, 3))
        last = self.read_lines("run", "metrics.jsonl")[-1]
        self.assertEqual(of_training["accuracy"], last["train_acc"])

    def test_the_text_says_what_the_numbers_say(self):
        self.weft("train", "e.yaml", "-o", "run")
        e, said = self.read_json("run", "evaluation.json"), self.weft("eval", "run").stdout
        self.assertIn("accuracy {:.2f} % (95 % interval: {:.2f} to {:.2f} %)".format(*(100 * x for x in [e["accuracy"], *e["interval"]])), said)
        self.assertIn(f"expected calibration error {100 * e['calibration']['ece']:.2f} %", said)
        self.assertRegex(said, "macro average +{:.4f} +{:.4f} +{:.4f}\n".format(*(e["macro"][key] for key in ("precision", "recall", "f1"))))
        most = max(n for i, row in enumerate(e["confusion"]) for k, n in enumerate(row) if i != k)
        self.assertRegex(said, rf"is taken for\n\S.* {most} of \d+\n")
        self.assertLessEqual(max(map(len, said.splitlines()[1:])), 100)
        self.assertIn("next: ", said)

    def test_what_can_be_drawn_is_drawn_to_the_same_bytes(self):
        self.weft("train", "e.yaml", "-o", "run")
        drawn = [f"{name}.{kind}" for name in ("confusion", "reliability", "worst") for kind in ("svg", "png")]
        self.assertIn("wrote first: evaluation.json, " + ", ".join(drawn), self.weft("eval", "run", "-o", "first").stdout)
        self.weft("eval", "run", "-o", "second", "--threads", "1")
        self.assertEqual(sorted(os.listdir(self.path("first"))), sorted([*drawn, "evaluation.json"]))
        for name in drawn:
            content = self.read("first", name)
            self.assertEqual(content, self.read("second", name), name)
            self.assertTrue(content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml"), name)
        self.weft("eval", "run", "-o", "second", "--worst", "2")
        self.assertEqual(self.read("first", "confusion.svg"), self.read("second", "confusion.svg"))
        self.assertLess(len(self.read("second", "worst.svg")), len(self.read("first", "worst.svg")) / 2)

    def test_a_runs_own_evaluation_is_not_written_over(self):
        self.weft("train", "e.yaml", "-o", "run")
        before = self.read("run", "evaluation.json")
        said = self.weft("eval", "run", "--split", "train", "-o", "run", code=2).stderr
        self.assertIn("run: it holds a run", said)
        self.assertEqual(self.read("run", "evaluation.json"), before)

    def test_of_labels_calibration_is_drawn_and_of_numbers_nothing(self):
        for kind, loss, drawn in (("labels", "binary_cross_entropy_with_logits", ["reliability.png", "reliability.svg"]), ("numbers", "mse_loss", [])):
            synthetic.write(self.path(kind), kind)
            self.write("s.yaml", f"title: a test\ndata: {{set: {self.path(kind)}}}\nmodel: [linear 3]\nloss: {loss}\noptimizer: {{name: sgd, lr: 0.01}}\ntrain: {{epochs: 2}}\n")
            self.weft("train", "s.yaml", "-o", f"{kind}-run")
            self.weft("eval", f"{kind}-run", "-o", f"{kind}-out")
            self.assertEqual(sorted(os.listdir(self.path(f"{kind}-out"))), ["evaluation.json", *drawn])


weft.main()
