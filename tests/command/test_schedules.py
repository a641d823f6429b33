#!/usr/bin/python3
"""schedule: every step has the rate that PyTorch gives it, also after a stop; a plateau is found; what makes no sense is refused with its place."""
import json
import os
import signal
import time

import small
import weft

EXPERIMENT = """\
data: {set: small, scale: 255}
model: [linear 20, relu, linear 10]
optimizer: {name: sgd, lr: 0.1, momentum: 0.5}
schedule: none
train: {epochs: 3, batch: 100, seed: 3, log_steps: true}
"""
STEPS_PER_EPOCH, EPOCHS = 6, 3

with open(os.path.join(weft.TESTS, "fixtures", "schedules.json")) as file:
    TORCH = [case for case in json.load(file)["cases"] if not case["spec"].startswith("reduce_lr_on_plateau")]


def train_line(folder, *settings):
    return ["train", "e.yaml", "-o", folder, "--quiet", *[word for s in settings for word in ([s] if s.startswith("--") else ["--set", s])]]


class Schedules(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"))
        self.write("e.yaml", EXPERIMENT)

    def train(self, folder, *settings, **options):
        """settings: what --set takes, or an option."""
        return self.weft(*train_line(folder, *settings), **options)

    def rates(self, folder, file="steps.jsonl"):
        return [line["lr"] for line in self.read_lines(folder, file)]

    def assert_near(self, got, want, message):
        self.assertEqual(len(got), len(want), message)
        for a, b in zip(got, want):
            self.assertAlmostEqual(a, b, delta=1e-12 * max(want), msg=message)

    def test_rates_are_those_of_torch_by_step(self):
        for i, case in enumerate(TORCH):
            folder = f"run-{i}"
            self.train(folder, f"schedule={case['spec']} by=step", "train.max_steps=16")
            self.assert_near(self.rates(folder), case["lr"][:16], case["spec"])
            self.assert_near(self.rates(folder, "metrics.jsonl"), [case["lr"][t] for t in (5, 11, 15)], case["spec"])

    def test_rates_are_those_of_torch_by_epoch(self):
        for i, case in enumerate(TORCH):
            folder = f"run-{i}"
            self.train(folder, f"schedule={case['spec']} by=epoch")
            self.assert_near(self.rates(folder, "metrics.jsonl"), case["lr"][:EPOCHS], case["spec"])
            self.assert_near(self.rates(folder), [lr for lr in case["lr"][:EPOCHS] for _ in range(STEPS_PER_EPOCH)], case["spec"])

    def test_one_cycle_lasts_as_long_as_the_run(self):
        (torch,) = [case["lr"] for case in TORCH if case["spec"] == "one_cycle_lr 0.1 total_steps=40 three_phase=true"]
        self.train("run", "schedule=one_cycle_lr 0.1 three_phase=true", "train.epochs=20", "train.max_steps=40")
        self.assert_near(self.rates("run"), torch, "one_cycle_lr")

    def test_epochs_tell_a_rate_that_moves(self):
        said = self.weft("train", "e.yaml", "-o", "run", "--set", "schedule=step_lr 1 gamma=0.5").stderr
        for lr in ("0.1", "0.05", "0.025"):
            self.assertIn(f" %  lr {lr}  ", said)
        self.assertNotIn("  lr ", self.weft("train", "e.yaml", "-o", "none").stderr)
        self.assertEqual(self.read_json("run", "run.json")["schedule"], "step_lr 1 gamma=0.5")
        self.assertEqual(self.read_json("none", "run.json")["schedule"], "none")

    # ---- Going on after a stop ----

    def stop_and_go_on(self, folder, *settings):
        """Trains, is stopped somewhere, and goes on for 200 steps; returns after how many it was stopped."""
        process = self.start(*train_line(folder, *settings))
        while not (self.exists(folder, "steps.jsonl") and self.read(folder, "steps.jsonl").count(b"\n") > 50):
            self.assertIsNone(process.poll(), "it ended before it could be stopped")
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        self.assertEqual(process.returncode, 143)
        steps = len(self.rates(folder))
        self.train(folder, *settings, "train.max_steps=%d" % (steps + 200), "--resume")
        return steps

    def test_a_stopped_run_goes_on_to_the_same_bits(self):
        for i, schedule in enumerate((
                "one_cycle_lr 0.1 total_steps=1000000", "cosine_annealing_lr 100 warmup=3", "cosine_annealing_lr 400 by=step",
                "cyclic_lr 0.01 0.1 step_size_up=70", "reduce_lr_on_plateau factor=0.7 patience=0 cooldown=1 threshold=0.05",
                'sequential_lr schedules=[linear_lr, "exponential_lr 0.99"] milestones=[4]')):
            with self.subTest(schedule):
                settings = (f"schedule={schedule}", "train.epochs=100000", "train.batch=70")
                steps = self.stop_and_go_on(f"parts-{i}", *settings)
                self.train(f"whole-{i}", *settings, "train.max_steps=%d" % (steps + 200))
                self.assertEqual(self.read(f"parts-{i}", "steps.jsonl"), self.read(f"whole-{i}", "steps.jsonl"))
                self.assertEqual(*(weft.hash_tensors(self.path(f"{run}-{i}", "model.safetensors")) for run in ("parts", "whole")))
                self.assertEqual(*(weft.without_seconds(self.read_lines(f"{run}-{i}", "metrics.jsonl")) for run in ("parts", "whole")))
                self.assertGreater(len(set(self.rates(f"whole-{i}"))), 2)

    def test_a_run_keeps_its_schedule(self):
        self.train("run", "schedule=step_lr 2", "train.epochs=1")
        said = self.train("run", "schedule=step_lr 3", "--resume", code=2).stderr
        self.assertIn('the run was begun with schedule "step_lr 2", but now it is "step_lr 3"', said)
        self.assertIn('now it is "none"', self.train("run", "--resume", code=2).stderr)
        self.train("run", "schedule=step_lr 2", "--resume")
        self.assertEqual(len(self.rates("run")), STEPS_PER_EPOCH * EPOCHS)

    def test_a_cycle_of_the_runs_length_keeps_that(self):
        self.train("run", "schedule=one_cycle_lr 0.1")
        said = self.train("run", "schedule=one_cycle_lr 0.1", "train.epochs=4", "--resume", code=2).stderr
        self.assertIn('schedule "one_cycle_lr 0.1 total_steps=18", but now it is "one_cycle_lr 0.1 total_steps=24"', said)

    # ---- A plateau ----

    def test_a_plateau_is_found(self):
        self.train("run", "schedule=reduce_lr_on_plateau factor=0.5 patience=1 threshold=0.1 cooldown=1 min_lr=0.004", "train.epochs=30")
        lr, best, bad, cooldown, rates = 0.1, None, 0, 0, []
        for line in self.read_lines("run", "metrics.jsonl"):
            rates.append(lr)
            if best is None or line["val_loss"] < best * (1 - 0.1):
                best, bad = line["val_loss"], 0
            else:
                bad += 1
            if cooldown:
                cooldown, bad = cooldown - 1, 0
            if bad > 1:
                lr, cooldown, bad = max(0.5 * lr, 0.004), 1, 0
        self.assertEqual(self.rates("run", "metrics.jsonl"), rates)
        self.assertGreater(len(set(rates)), 3)

    # ---- What makes no sense ----

    def test_what_makes_no_sense_is_refused_with_its_place_before_anything_runs(self):
        for schedule, column, words in (
                ("stap_lr 3", 11, 'unknown schedule "stap_lr"; did you mean "step_lr"?'),
                ("{name: one_cycle_lr, max_lr: 0.1, total_steps: 17}", 11, "total_steps of schedule one_cycle_lr is 17, but it has to last for 18"),
                ("{name: cosine_annealing_warm_restarts, T_0: 0}", 55, "T_0 is 0, but must be at least 1"),
                ("{name: cosine_annealing_warm_restarts, T_0: 3, T_mult: 1.5}", 66, 'T_mult must be a whole number, not "1.5"'),
                ("{name: reduce_lr_on_plateau, factor: 0}", 48, "factor is 0, but must be above 0 and below 1"),
                ("{name: cyclic_lr, base_lr: 0, max_lr: 1, mode: zigzag}", 58, 'unknown mode "zigzag"'),
                ("{name: sequential_lr, schedules: [linear_lr, linear_lr, linear_lr], milestones: [4, 3]}", 91, "must rise, but 3 comes behind 4")):
            self.write("e.yaml", EXPERIMENT.replace("schedule: none", "schedule: " + schedule))
            for command in ("train", "compare"):
                said = self.weft(command, "e.yaml", "-o", "run", code=2).stderr
                self.assertIn(f" e.yaml:4:{column}: ", said)
                self.assertIn(words, said)
                self.assertFalse(self.exists("run"))
        self.write("e.yaml", EXPERIMENT)
        self.assertIn('unknown key "gama" of schedule step_lr; did you mean "gamma"?', self.train("run", "schedule=step_lr 3 gama=1", code=2).stderr)

    def test_a_schedule_may_go_on_behind_the_run(self):
        for schedule in ("cosine_annealing_lr 1000", "one_cycle_lr 0.1 total_steps=1000", "step_lr 1000", "none warmup=1000"):
            self.train(schedule.split()[0], f"schedule={schedule}", "train.max_steps=1")


if __name__ == "__main__":
    weft.main()
