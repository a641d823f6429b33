#!/usr/bin/python3
"""Tasks whose targets are no classes: what is learned, what is told of it, what is refused."""
import json
import math
import os
import shutil
import struct

import weft

import init_params  # weft knows where the fixtures are
import synthetic

# Of a float32 sum over the split's losses, and of float32 outputs.
TOLERANCE = 2e-6


def solve(a, b):
    """x of a x = b, by elimination with pivots."""
    n = len(b)
    rows = [list(row) + [right] for row, right in zip(a, b)]
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(n):
            if i != k:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [p - factor * q for p, q in zip(rows[i], rows[k])]
    return [rows[k][n] / rows[k][k] for k in range(n)]


def rows_of(values, width):
    return [list(values[i:i + width]) for i in range(0, len(values), width)]


def linear(folder_file, x):
    """The outputs of a model of one linear layer."""
    tensors, _ = weft.read_tensors(folder_file)
    weight = rows_of(weft.tensor_numbers(tensors["0.weight"][1]), synthetic.FEATURES)
    bias = weft.tensor_numbers(tensors["0.bias"][1])
    return [[sum(a * b for a, b in zip(row, w)) + c for w, c in zip(weight, bias)] for row in x]


def number_scores(outputs, y):
    """R2, MAE, RMSE."""
    n, n_targets = len(y), len(y[0])
    r2 = mae = mse = 0
    for t in range(n_targets):
        mean = math.fsum(row[t] for row in y) / n
        off = [out[t] - row[t] for out, row in zip(outputs, y)]
        r2 += (1 - math.fsum(d * d for d in off) / math.fsum((row[t] - mean) ** 2 for row in y)) / n_targets
        mae += math.fsum(map(abs, off)) / n / n_targets
        mse += math.fsum(d * d for d in off) / n / n_targets
    return r2, mae, math.sqrt(mse)


def label_scores(outputs, y):
    """F1 over all labels, its mean over labels, the mean area under the ROC curve by counting pairs."""
    n_targets, counts, f1s, areas = len(y[0]), [0, 0], [], []
    for t in range(n_targets):
        right = sum(out[t] > 0 and row[t] for out, row in zip(outputs, y))
        both = sum((out[t] > 0) + row[t] for out, row in zip(outputs, y))
        counts = [counts[0] + right, counts[1] + both]
        f1s.append(2 * right / both)
        having = [out[t] for out, row in zip(outputs, y) if row[t]]
        others = [out[t] for out, row in zip(outputs, y) if not row[t]]
        areas.append(sum((a > b) + (a == b) / 2 for a in having for b in others) / len(having) / len(others))
    return 2 * counts[0] / counts[1], sum(f1s) / n_targets, sum(areas) / n_targets


class Tasks(weft.Case):
    def prepare(self, kind, loss, model="[linear 3]", more=""):
        synthetic.write(self.path(kind), kind)
        return self.write(f"{kind}.yaml", f"data: {{set: ./{kind}}}\nmodel: {model}\nloss: {loss}\noptimizer: {{name: sgd, lr: 0.2}}\n"
                          f"train: {{epochs: 60, batch: 100}}\n{more}")

    def test_regression_finds_the_least_squares(self):
        self.prepare("numbers", "mse_loss")
        self.weft("train", "numbers.yaml", "-o", "run", "--quiet", "--set", "train={epochs: 80, batch: 400}", "--set", "optimizer.lr=2")
        values, y = synthetic.samples("train")
        x = [row + [1] for row in rows_of(values, synthetic.FEATURES)]
        y = rows_of(y, synthetic.TARGETS)
        square = [[math.fsum(row[i] * row[k] for row in x) for k in range(len(x[0]))] for i in range(len(x[0]))]
        tensors, _ = weft.read_tensors(self.path("run", "model.safetensors"))
        weight = rows_of(weft.tensor_numbers(tensors["0.weight"][1]), synthetic.FEATURES)
        bias = weft.tensor_numbers(tensors["0.bias"][1])
        for t in range(synthetic.TARGETS):
            best = solve(square, [math.fsum(row[i] * out[t] for row, out in zip(x, y)) for i in range(len(x[0]))])
            for is_, want in zip(weight[t] + [bias[t]], best):
                self.assertLessEqual(abs(is_ - want), 1e-5, (t, weight[t], best))

    def check_scores(self, kind, loss, names, scores_of):
        self.prepare(kind, loss)
        self.weft("train", f"{kind}.yaml", "-o", "run", "--quiet")
        line = self.read_lines("run", "metrics.jsonl")[-1]
        for split, side in (("train", "train"), ("t10k", "val")):
            x = rows_of(synthetic.samples(split)[0], synthetic.FEATURES)
            y = rows_of(synthetic.targets(kind, split)[1], synthetic.TARGETS)
            scores = scores_of(linear(self.path("run", "model.safetensors"), x), y)
            for name, score in zip(names, scores):
                self.assertLessEqual(abs(line[f"{side}_{name}"] - score), TOLERANCE, (side, name))
            evaluated = json.loads(self.weft("eval", "run", "--json", "--split", side.replace("val", "test")).stdout)
            for name, score in zip(names, scores):
                self.assertLessEqual(abs(evaluated[name] - score), TOLERANCE, name)
            if side == "val":
                self.assertEqual(evaluated["loss"], line["val_loss"])
        self.assertNotIn("accuracy", evaluated)
        self.assertFalse([key for key in line if "acc" in key])
        return line

    def test_scores_of_numbers_are_those_of_the_model(self):
        line = self.check_scores("numbers", "l1_loss", ("r2", "mae", "rmse"), number_scores)
        self.assertGreater(line["val_r2"], 0.8)
        self.assertLessEqual(abs(line["val_loss"] - line["val_mae"]), TOLERANCE)

    def test_scores_of_labels_are_those_of_the_model(self):
        line = self.check_scores("labels", "binary_cross_entropy_with_logits", ("f1", "f1_macro", "auroc"), label_scores)
        self.assertGreater(line["val_auroc"], 0.9)

    def test_nothing_speaks_of_accuracy_where_there_is_none(self):
        for kind, loss, score in (("numbers", "mse_loss", "R2"), ("labels", "binary_cross_entropy_with_logits", "F1")):
            self.prepare(kind, loss, more="variants: {slow: {}, fast: {optimizer: {name: adam, lr: 0.01}}}\nseeds: [1, 2]\n")
            said = [self.weft("train", f"{kind}.yaml", "--variant", "slow", "-o", f"{kind}-run", "--set", "train.epochs=2"),
                    self.weft("eval", f"{kind}-run"),
                    self.weft("compare", f"{kind}.yaml", "-o", f"{kind}-runs", "--set", "train.epochs=3")]
            texts = [done.stdout + done.stderr for done in said] + [self.read(f"{kind}-runs", "summary.md").decode()]
            for text in texts:
                self.assertIn(score, text)
                self.assertNotRegex(text, r"(?i)accura|acc\.")
            self.assertEqual(self.read_json(f"{kind}-run", "run.json")["task"], {"numbers": "regression", "labels": "multi-label"}[kind])

    def test_a_run_goes_on_to_the_same_bits(self):
        self.prepare("numbers", "huber_loss delta=0.5", model="[linear 16, tanh, linear 3]")
        for folder, epochs in (("whole", 6), ("parts", 3)):
            self.weft("train", "numbers.yaml", "-o", folder, "--quiet", "--set", f"train.epochs={epochs}")
        self.weft("train", "numbers.yaml", "-o", "parts", "--quiet", "--resume", "--set", "train.epochs=6")
        whole, parts = (weft.without_seconds(self.read_lines(folder, "metrics.jsonl")) for folder in ("whole", "parts"))
        self.assertEqual(whole, parts)
        self.assertEqual(weft.hash_tensors(self.path("whole", "model.safetensors")), weft.hash_tensors(self.path("parts", "model.safetensors")))
        self.weft("train", "numbers.yaml", "-o", "one", "--quiet", "--set", "train.epochs=6", "--threads", "1")
        self.assertEqual(weft.without_seconds(self.read_lines("one", "metrics.jsonl")), whole)

    def test_data_info_tells_ranges(self):
        self.prepare("numbers", "mse_loss")
        self.prepare("labels", "mse_loss")
        for kind in ("numbers", "labels"):
            told = json.loads(self.weft("data", "info", f"./{kind}", "--json").stdout)
            columns = list(zip(*rows_of(synthetic.targets(kind, "t10k")[1], synthetic.TARGETS)))
            self.assertEqual(told["classes"], [])
            for entry, column in zip(told["test"]["targets"], columns):
                self.assertEqual((entry["min"], entry["max"]), (min(column), max(column)))
                self.assertAlmostEqual(entry["mean"], sum(column) / len(column), 12)
        self.assertRegex(self.weft("data", "info", "./labels").stdout, r"samples that have it")

    def test_arrays_of_numpy_hold_the_same(self):
        self.prepare("numbers", "mse_loss")
        types = {"B": "|u1", "f": "<f4"}
        for split, name in (("train", "train"), ("t10k", "test")):
            x, (dims, y) = synthetic.samples(split)[0], synthetic.targets("numbers", split)
            for letter, shape, values in (("x", (synthetic.N[split], synthetic.FEATURES), x), ("y", dims, y)):
                words = f"{{'descr': '{types[values.typecode]}', 'fortran_order': False, 'shape': {shape}, }}"
                words += " " * (-(10 + len(words) + 1) % 64) + "\n"
                self.write(f"arrays/{letter}_{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(words)) + words.encode() +
                           struct.pack(f"<{len(values)}{values.typecode}", *values))
        for folder, data in (("idx", "./numbers"), ("npy", "./arrays")):
            self.weft("train", "numbers.yaml", "-o", folder, "--quiet", "--set", "train.epochs=3", "--set", f"data.set={data}")
        self.assertEqual(*(weft.without_seconds(self.read_lines(folder, "metrics.jsonl")) for folder in ("idx", "npy")))

    def test_losses_that_do_not_fit_are_refused(self):
        for kind in ("numbers", "labels", "classes"):
            self.prepare(kind, "mse_loss")
        for kind, sets, words in (
                ("classes", "loss=mse_loss", "mse_loss wants numbers, and ./classes has classes; use cross_entropy"),
                ("classes", "loss=kl_div", "kl_div wants numbers"),
                ("numbers", "loss=cross_entropy", "cross_entropy wants classes, and ./numbers has numbers; use mse_loss"),
                ("labels", "loss=nll_loss", "use binary_cross_entropy_with_logits"),
                ("numbers", "loss=binary_cross_entropy_with_logits", "wants numbers from 0 to 1"),
                ("numbers", "model=[linear 4]", 'has 3 a sample; end it with "linear 3"'),
                ("classes", "loss={name: cross_entropy, weight: [1, 2]}", "weight has 2 numbers, and the model gives 3"),
                ("labels", "loss={name: binary_cross_entropy_with_logits, pos_weight: [1, 2]}", "pos_weight has 2 numbers")):
            done = self.weft("train", f"{kind}.yaml", "-o", "no", "--set", sets, code=2)
            self.assertIn(words, done.stderr)
            self.assertFalse(self.exists("no"))

    def test_what_is_watched_must_be_a_score_of_the_task(self):
        self.prepare("numbers", "mse_loss")
        for key in ("train.early_stopping={patience: 2, monitor: %s}", "schedule={name: reduce_lr_on_plateau, mode: max, metric: %s}"):
            said = self.weft("train", "numbers.yaml", "-o", "run", "--set", key % "val_acc", code=2).stderr
            self.assertRegex(said, "(monitor|metric) is val_acc, which regression does not have; there are: val_loss, val_r2, train_loss, train_r2")
            self.assertFalse(self.exists("run"))
            self.weft("train", "numbers.yaml", "-o", "run", "--quiet", "--force", "--set", key % "val_r2")
            shutil.rmtree(self.path("run"))
        self.weft("train", "numbers.yaml", "-o", "run", "--quiet", "--set", "train.early_stopping={patience: 30, monitor: val_r2}")
        scores = [line["val_r2"] for line in self.read_lines("run", "metrics.jsonl")]
        self.assertEqual(self.read_json("run", "run.json")["restored_epoch"], 1 + scores.index(max(scores)))

    def test_a_sum_is_that_of_a_batch_in_training_and_of_the_split_in_validation(self):
        for kind, name in (("numbers", "l1_loss"), ("classes", "cross_entropy")):
            self.prepare(kind, name)
            outputs = 3 if kind == "numbers" else 1
            more = "log_steps: true, epochs: 2, batch: 50"
            for folder, reduction, lr in (("mean", "mean", 0.0625), ("sum", "sum", 0.0625 / 50 / outputs)):
                self.weft("train", f"{kind}.yaml", "-o", folder, "--quiet", "--force", "--set", f"train={{{more}}}",
                          "--set", f"loss={{name: {name}, reduction: {reduction}}}", "--set", f"optimizer.lr={lr:.17g}")
            mean, sums = (self.read_lines(folder, "metrics.jsonl")[0] for folder in ("mean", "sum"))
            self.assertAlmostEqual(sums["val_loss"], mean["val_loss"] * synthetic.N["t10k"] * outputs, delta=1e-5 * sums["val_loss"])
            steps = [line["loss"] for line in self.read_lines("sum", "steps.jsonl")][:8]
            self.assertAlmostEqual(sums["train_loss"], math.fsum(steps) / 8, delta=1e-12 * sums["train_loss"])
            for line, step in zip(self.read_lines("mean", "steps.jsonl"), steps):
                self.assertAlmostEqual(step, line["loss"] * 50 * outputs, delta=1e-5 * step)
            self.assertEqual(json.loads(self.weft("eval", "sum", "--json").stdout)["loss"], self.read_lines("sum", "metrics.jsonl")[-1]["val_loss"])
            self.assertIn("reduction: sum", self.read("sum", "config.yaml").decode())

    def test_a_batch_of_which_nothing_counts_is_an_error(self):
        self.prepare("classes", "{name: cross_entropy, ignore_index: 0}")
        done = self.weft("train", "classes.yaml", "-o", "run", "--quiet", "--set", "train.batch=1", code=2)
        self.assertRegex(done.stderr, r"step \d+: no sample of the batch counts")
        self.weft("train", "classes.yaml", "-o", "run", "--quiet", "--set", "train.epochs=3", "--force")
        for line in self.read_lines("run", "metrics.jsonl"):
            self.assertTrue(math.isfinite(line["train_loss"]))
        self.prepare("classes", "{name: cross_entropy, ignore_index: 0, reduction: sum}")  # the sum of no numbers is 0, here as in PyTorch
        self.weft("train", "classes.yaml", "-o", "run", "--quiet", "--set", "train={batch: 1, epochs: 1, log_steps: true}", "--force")
        self.assertIn(0, [line["loss"] for line in self.read_lines("run", "steps.jsonl")])


class Torch(weft.Case):
    def test_losses_of_300_steps_are_those_of_pytorch(self):
        with open(os.path.join(weft.TESTS, "fixtures", "tasks.json")) as file:
            cases = json.load(file)["cases"]
        init_params.write_init(self.path("init.safetensors"), cases[0]["seed"], (synthetic.FEATURES, 16, synthetic.TARGETS))
        for i, case in enumerate(cases):
            with self.subTest(loss=case["loss"]):
                self.compare(f"run{i}", case)

    def compare(self, folder, case):
        name, *settings = case["loss"].split(" ", 1)
        loss = f"{{name: {name}" + "".join(f", {part.replace('=', ': ')}" for part in self.split(settings)) + "}"
        optimizer = ", ".join(f"{key}: {value}" for key, value in case["optimizer"].items())
        synthetic.write(self.path(case["kind"]), case["kind"])
        self.write("task.yaml", f"data: {{set: ./{case['kind']}}}\nmodel: [linear 16, tanh, linear 3]\nloss: {loss}\noptimizer: {{{optimizer}}}\n"
                   f"train: {{epochs: 100, batch: {case['batch']}, init: init.safetensors, shuffle: false, log_steps: true, "
                   f"max_steps: {case['max_steps']}}}\n")
        self.weft("train", "task.yaml", "-o", folder, "--quiet")
        lines = self.read_lines(folder, "steps.jsonl")
        self.assertEqual(len(lines), case["max_steps"])
        for line, right in zip(lines, case["losses"]):
            self.assertLessEqual(abs(line["loss"] - right), 1e-4 * right, f"{case['loss']}, step {line['step']}: {line['loss']}, PyTorch {right}")

    @staticmethod
    def split(settings):
        """["a=[1, 2] b=3"] to ["a=[1, 2]", "b=3"]."""
        return settings[0].replace(" ", "\n").replace(",\n", ", ").split("\n") if settings else []


if __name__ == "__main__":
    weft.main()
