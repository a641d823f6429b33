#!/usr/bin/python3
"""Comparisons, and what looks at their results."""
import json
import os
import re
import signal
import struct
import time

import small
import weft

VARIANTS = """\
variants:
  plain: {}
  <b>adam</b>: {optimizer: {name: adam}}
  wild: {data: {scale: 1e-6}, optimizer: {lr: 1e9}}
"""


def png_size(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


class Compare(weft.Case):
    def compare(self, *more, **how):
        experiment = weft.TUTORIAL.replace("fashion-mnist", small.make(self.path("set"))).replace("epochs: 1", "epochs: 3")
        self.write("e.yaml", experiment + VARIANTS)
        return self.weft("compare", "e.yaml", "-o", "out", *more, **how)

    def test_it_leaves_figures_a_table_and_what_it_means(self):
        result = self.compare()
        for name in ("compare", "plain", "b-adam-b", "wild"):
            self.assertIn(b"<svg", self.read("out", name + ".svg"))
            width, height = png_size(self.read("out", name + ".png"))
            self.assertTrue(width > 600 and height > 300)
        summary = self.read("out", "summary.md").decode()
        self.assertIn("What the numbers say", summary)
        self.assertNotIn("<b>", summary)
        self.assertIn("What the numbers say", result.stdout)

    def test_it_points_to_the_run_that_ended_best(self):
        ended = {}
        result = self.compare("--set", "seeds=[1, 2]", "--set", "variants.wild.data.scale=255", "--set", "variants.wild.optimizer.lr=0.1")
        for name in ("plain", "b-adam-b", "wild"):
            for seed in ("seed-1", "seed-2"):
                ended[f"out/{name}/{seed}"] = self.read_lines("out", name, seed, "metrics.jsonl")[-1]["val_acc"]
        best = re.search(r"(?m)^next: .* weft eval (\S+)$", result.stdout)[1]
        self.assertEqual(ended[best], max(ended.values()))
        self.assertGreater(ended[best], ended["out/plain/seed-1"])

    def test_it_points_to_no_run_that_diverged(self):
        result = self.compare("--set", "optimizer.lr=1e9", "--set", "optimizer.name=sgd", "--set", "data.scale=1e-6")
        self.assertRegex(result.stdout, r"(?m)^next: .* or read out/summary.md$")

    def test_a_diverged_variant_is_marked_and_the_others_are_there(self):
        result = self.compare()
        self.assertRegex(result.stdout, r"(?m)^wild .* diverged$")
        self.assertRegex(result.stdout.replace("\n  ", " "), r"(?m)^- Diverged: wild .*step \d+.*layer \d")
        self.assertEqual(self.read_json("out", "wild", "seed-1", "run.json")["status"], "diverged")
        for name in ("plain", "b-adam-b"):
            self.assertEqual(len(self.read_lines("out", name, "seed-1", "metrics.jsonl")), 3)

    def test_seeds_are_replicates(self):
        result = self.compare("--set", "seeds=[1, 2]")
        self.assertTrue(self.exists("out", "plain", "seed-2", "model.safetensors"))
        self.assertRegex(result.stdout, r"(?m)^plain +2 .*\+-.*  done$")
        self.assertRegex(result.stdout, r"(?m)^<b>adam</b> +[-+]\d+\.\d\d  [-+]\d+\.\d\d to [-+]\d")

    def test_a_compared_run_is_the_same_run(self):
        self.compare()
        self.weft("train", "e.yaml", "--variant", "plain", "-o", "alone", "--threads", "2")
        self.assertEqual(self.read("out", "plain", "seed-1", "model.safetensors"), self.read("alone", "model.safetensors"))

    def test_evaluation_agrees_with_the_run(self):
        self.compare()
        result = json.loads(self.weft("eval", "out/plain/seed-1", "--json").stdout)
        last = self.read_lines("out", "plain", "seed-1", "metrics.jsonl")[-1]
        self.assertEqual((result["accuracy"], result["loss"]), (last["val_acc"], last["val_loss"]))
        self.assertEqual(sum(map(sum, result["confusion"])), result["n"])
        self.assertIn("confusion matrix", self.weft("eval", "out/plain/seed-1", "--best").stdout)

    def test_ctrl_c_ends_all_of_them_and_saves(self):
        self.compare()
        process = self.start("compare", "e.yaml", "-o", "long", "--set", "train.epochs=100000", "-q")
        while not self.exists("long", "plain", "seed-1", "metrics.jsonl"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"go on with the same command", said)
        self.assertEqual(self.read_json("long", "plain", "seed-1", "run.json")["status"], "stopped")

    def test_after_a_kill_in_the_middle_the_same_command_ends_on_the_same_bits(self):
        more = ("--set", "train.epochs=25", "--set", "seeds=[1, 2]", "--set", "model=[linear 200, relu, linear 10]", "-q")
        self.compare(*more)
        process = self.start("compare", "e.yaml", "-o", "killed", *more)
        while not any(self.n_epochs("killed", name, "seed-1") > 5 for name in ("plain", "b-adam-b")):
            self.assertIsNone(process.poll(), "it ended before it could be killed")
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=60)
        self.weft("compare", "e.yaml", "-o", "killed", *more)
        for name in ("plain", "b-adam-b", "wild"):
            for seed in ("seed-1", "seed-2"):
                for file in ("model.safetensors", *(() if name == "wild" else ("best.safetensors",))):
                    self.assertEqual(self.read("out", name, seed, file), self.read("killed", name, seed, file), (name, seed, file))
                self.assertEqual(*(weft.without_seconds(self.read_lines(out, name, seed, "metrics.jsonl")) for out in ("out", "killed")))

    def n_epochs(self, *folder):
        return len(self.read(*folder, "metrics.jsonl").splitlines()) if self.exists(*folder, "metrics.jsonl") else 0

    def test_what_is_there_is_kept_and_what_is_not_in_the_file_is_left_alone(self):
        self.compare()
        before = self.read("out", "plain", "seed-1", "run.json")
        said = self.compare("--set", "seeds=[1, 2]").stderr
        self.assertIn("3 variants x 2 seeds: 3 runs are there already, 3 to run\n", said)
        self.assertNotIn("plain, seed 1: ", said)
        self.assertEqual(self.read("out", "plain", "seed-1", "run.json"), before)
        said = self.weft("compare", "e.yaml", "-o", "out", "--seed", "1").stderr
        self.assertIn("left as they are, for e.yaml does not list them: out/b-adam-b/seed-2, out/plain/seed-2, out/wild/seed-2\n", said)

    def test_the_table_is_for_programs_too(self):
        result = self.compare("--set", "seeds=[1, 2]", "--set", "baseline=<b>adam</b>", "--target", "0.5", "--json")
        said = json.loads(result.stdout)
        self.assertEqual((said["baseline"], said["target"], len(said["variants"])), ("<b>adam</b>", 0.5, 3))
        ends = [self.read_lines("out", "plain", seed, "metrics.jsonl")[-1]["val_acc"] for seed in ("seed-1", "seed-2")]
        self.assertAlmostEqual(said["variants"][0]["last"]["mean"], sum(ends) / 2, places=9)
        self.assertEqual([d["seed"] for d in said["variants"][2]["diverged"]], [1, 2])
        self.assertEqual(self.compare("--set", "seeds=[1, 2]", "--format", "csv").stdout.count("\n"), 4)
        self.assertRegex(self.compare("--set", "seeds=[1, 2]", "--format", "md").stdout, r"\n\| against plain +\| difference")
        self.assertIn('did you mean "plain"', self.compare("--baseline", "plan", code=2).stderr)
        self.assertIn('did you mean "plain"', self.compare("--set", "baseline=plan", code=2).stderr)

    def test_a_changed_setting_is_said_before_anything_runs(self):
        self.compare()
        said = self.compare("--set", "variants.plain.optimizer.lr=0.5", "--set", "variants.new.train.epochs=1", code=2).stderr
        self.assertIn("weft: out/plain/seed-1: this run has other settings: optimizer.lr was 0.01, is 0.5\n", said)
        self.assertFalse(self.exists("out", "new"))
        self.assertIn("2 runs are there already, 2 to run\n",
                      self.compare("--set", "variants.plain.optimizer.lr=0.5", "--set", "variants.new.train.epochs=1", "--force").stderr)


class Looking(weft.Case):
    def test_fashion_mnist_is_the_published_one(self):
        result = json.loads(self.weft("data", "info", "fashion-mnist", "--json").stdout)
        self.assertEqual(result["train"]["counts"], [6000] * 10)
        self.assertEqual(result["test"]["counts"], [1000] * 10)
        self.assertEqual((result["dtype"], result["sample"], result["train"]["min"], result["train"]["max"]), ("uint8", [1, 28, 28], 0, 255))
        self.assertTrue(all(file["published"] for split in ("train", "test") for file in result[split]["files"]))
        text = self.weft("data", "info", "fashion-mnist").stdout
        self.assertIn("Ankle boot", text)
        self.assertEqual(text.count("as published"), 4)

    def test_samples_are_drawn_in_a_grid(self):
        self.weft("data", "show", "fashion-mnist", "-o", "grid.png")
        width, height = png_size(self.read("grid.png"))
        self.assertTrue(width > 500 and height > 500)
        self.weft("data", "show", "fashion-mnist", "-o", "again.png")
        self.assertEqual(self.read("grid.png"), self.read("again.png"))
        self.weft("data", "show", "fashion-mnist", "-o", "other.png", "--seed", "2")
        self.assertNotEqual(self.read("grid.png"), self.read("other.png"))

    def test_a_summary_shows_layers_and_the_plan(self):
        recipe = os.path.join(weft.ROOT, "recipes", "tutorial.yaml")
        said = self.weft("summary", recipe, "--variant", "adam", "--plan").stdout
        self.assertIn("795010 parameters", said)
        for fused in ("linear + relu", "linear dx + relu dx", "linear dw + adam"):
            self.assertIn(fused, said)
        self.assertEqual(json.loads(self.weft("summary", recipe, "--variant", "sgd", "--json").stdout)["parameters"], 795010)


weft.main()
