#!/usr/bin/python3
"""Checkpoints: what a run goes on from, to the bits of one that was never stopped; what it refuses to go on from; who may write into its folder."""
import glob
import hashlib
import json
import os
import signal
import struct
import time

import small
import weft

EXPERIMENT = """\
data: {set: set, scale: 255}
model: [linear 16, relu, linear 10]
optimizer: {name: adam}
train: {epochs: 4, batch: 32, log_steps: true}
checkpoint: {every_steps: 5}
"""
STEPS = 19  # of an epoch
NEWEST, PREVIOUS = os.path.join("run", "checkpoint", "state.safetensors"), os.path.join("run", "checkpoint", "previous.safetensors")


def tensor_file(tensors, notes, checksum=True):
    """A safetensors file of what weft.read_tensors gives, with its own hash or without any."""
    notes = {key: text for key, text in notes.items() if key not in ("checksum", "sha256")}
    if checksum:
        notes = {"checksum": "sha256", "sha256": "0" * 64, **notes}
    header, data = {"__metadata__": notes}, b""
    for name, (shape, content) in tensors.items():
        header[name] = {"dtype": "F32" if shape else "I64", "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    whole = struct.pack("<Q", len(text)) + text + data
    return whole.replace(b"0" * 64, hashlib.sha256(whole).hexdigest().encode(), 1) if checksum else whole


class Run(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"))
        self.write("e.yaml", EXPERIMENT)
        self.still = weft.still_clock(self.folder)

    def train(self, *words, code=0, out="run"):
        return self.weft("train", "e.yaml", "-o", out, "-q", *words, code=code, env=self.still)

    def content(self):
        return weft.content_of(self.path("run"))

    def whole(self, *words):
        """What the run leaves when nobody disturbs it."""
        self.train(*words)
        found = self.content()
        os.rename(self.path("run"), self.path("whole"))
        return found

    def wait_for(self, process, what):
        while not what():
            self.assertIsNone(process.poll(), "it ended before")
            time.sleep(0.002)

    def stopped(self, number=signal.SIGTERM, code=143, at=STEPS + 7):
        """A run that was stopped in the middle of its second epoch, or so; what it says."""
        self.write("long.yaml", EXPERIMENT.replace("epochs: 4", "epochs: 400"))
        process = self.start("train", "long.yaml", "-o", "run", "-q", env=self.still)
        self.wait_for(process, lambda: self.exists("run", "steps.jsonl") and self.read("run", "steps.jsonl").count(b"\n") >= at)
        process.send_signal(number)
        said = process.communicate()[1].decode()
        self.assertEqual(process.returncode, code, said)
        self.write("e.yaml", EXPERIMENT.replace("epochs: 4", f"epochs: {self.epoch() + 2}"))
        return said

    def epoch(self):
        return int(weft.read_tensors(self.path(NEWEST))[1]["epoch"])


class GoingOn(Run):
    def test_signals_save_and_the_run_goes_on_to_the_same_files(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            self.stopped(number, code)
            notes = weft.read_tensors(self.path(NEWEST))[1]
            self.assertEqual(int(notes["step"]), self.read("run", "steps.jsonl").count(b"\n"))
            self.assertEqual(self.read_json("run", "run.json")["status"], "stopped")
            self.train("--resume")
            found = self.content()
            os.rename(self.path("run"), self.path(f"stopped-{code}"))
            self.train()
            self.assertEqual(found, self.content())
            os.rename(self.path("run"), self.path(f"whole-{code}"))

    def test_a_second_signal_ends_it_at_once_and_leaves_a_checkpoint_to_go_on_from(self):
        small.make(self.path("set"), times=10)
        self.write("e.yaml", EXPERIMENT.replace("linear 16", "linear 1000").replace("batch: 32", "batch: 3000").replace("every_steps: 5", "every_steps: 1"))
        process = self.start("train", "e.yaml", "-o", "run", "-q")
        self.wait_for(process, lambda: self.exists(NEWEST))
        time.sleep(0.05)  # in a step that takes a second
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.communicate()
        self.assertIn(process.returncode, (130, 143))
        self.assertEqual(self.read_json("run", "run.json")["status"], "running")
        self.weft("train", "e.yaml", "-o", "run", "-q", "--resume", "--set", "train.epochs=2")
        self.assertEqual(self.read("run", "steps.jsonl").count(b"\n"), 4)

    def test_at_its_end_there_is_nothing_to_do_and_more_epochs_go_on(self):
        whole = self.whole("--set", "train.epochs=6")
        self.train()
        before = self.content()
        self.train("--resume")
        self.assertEqual(self.content(), before)
        self.train("--resume", "--set", "train.epochs=6")
        self.assertEqual(self.content(), whole)
        said = self.train("--resume", "--set", "train.epochs=5", code=2).stderr
        self.assertIn("has come to epoch 6, but train.epochs is 5", said)
        self.assertEqual(self.content(), whole)

    def test_where_there_is_no_checkpoint_it_begins(self):
        whole = self.whole()
        self.train("--resume")
        self.assertEqual(self.content(), whole)

    def test_how_often_it_is_saved_changes_nothing_else(self):
        whole = self.whole()
        for setting in ("every_steps=0", "every_steps=1", "every_seconds=1e-9"):
            self.train("--set", "checkpoint." + setting)
            self.assertEqual([name for name in ("metrics.jsonl", "probes.jsonl", "steps.jsonl", "model.safetensors", "best.safetensors")
                              if self.content()[name] != whole[name]], [], setting)
            os.rename(self.path("run"), self.path(setting))

    def test_by_the_clock_it_is_saved_within_an_epoch(self):
        self.write("e.yaml", EXPERIMENT.replace("every_steps: 5", "every_seconds: 1e-6"))
        process = self.start("train", "e.yaml", "-o", "run", "-q", "--set", "train.epochs=400")  # a clock that goes
        self.wait_for(process, lambda: self.exists(NEWEST) and weft.read_tensors(self.path(NEWEST))[1]["step_of_epoch"] != "0")
        process.kill()

    def test_a_damaged_checkpoint_gives_way_to_the_one_before(self):
        whole = self.whole("--set", "train.epochs=6")
        self.train()
        good = self.read(NEWEST)
        for damage in (b"", good[:-1], good[:1000] + bytes([good[1000] ^ 1]) + good[1001:], None):
            self.train("--force")
            if damage is None:
                os.remove(self.path(NEWEST))
            else:
                self.write(NEWEST, damage)
            said = self.train("--resume", "--set", "train.epochs=6").stderr
            self.assertRegex(said, r"^weft: warning: run/checkpoint/state\.safetensors: .*; going on from the checkpoint before it, run/checkpoint/previous")
            self.assertEqual(self.content(), whole)

    def test_a_damaged_checkpoint_never_takes_the_place_of_the_one_before(self):
        self.write("e.yaml", EXPERIMENT.replace("every_steps: 5", "every_steps: 0"))
        self.train("--set", "train.epochs=2")
        first = self.read(PREVIOUS)
        self.write(NEWEST, b"damage")
        self.train("--resume", "--set", "train.epochs=2")
        self.assertEqual(self.read(PREVIOUS), first)
        self.assertEqual(weft.read_tensors(self.path(NEWEST))[1]["epoch"], "2")

    def test_files_of_lines_that_are_longer_than_the_checkpoint_are_cut(self):
        whole = self.whole()
        self.stopped()
        self.write("e.yaml", EXPERIMENT.replace("epochs: 4", f"epochs: {max(4, self.epoch() + 1)}"))
        for name in ("metrics.jsonl", "probes.jsonl"):
            with open(self.path("run", name), "a") as file:
                file.write('{"epoch": %d, "junk": 1}\n{"epoch": 10' % (self.epoch() + 1))
        with open(self.path("run", "steps.jsonl"), "a") as file:
            file.write('{"step": 100000, "loss": 1, "lr": 1}\n')
        self.train("--resume")
        if self.epoch() == 4:
            self.assertEqual(self.content(), whole)
        self.assertNotIn(b"junk", self.read("run", "metrics.jsonl") + self.read("run", "probes.jsonl"))


class Refused(Run):
    def refuse(self, *words, changed=()):
        """It is not gone on with, and nothing of it changes; what was said."""
        before = self.content()
        said = self.train("--resume", *words, code=2).stderr
        self.assertEqual(self.content(), before)
        for word in changed:
            self.assertIn(word, said)
        return said

    def test_other_settings_are_refused_with_all_that_differs(self):
        self.train()
        small.make(self.path("other"), n_train=599)
        table = {
            "data.set=other": "data", "data.scale=1": "data.scale", "model=[linear 17, relu, linear 10]": "model", "loss.label_smoothing=0.1": "loss",
            "init.weight=xavier_uniform": "init.weight", "init.bias=zeros": "init.bias", "optimizer.lr=0.002": "optimizer", "optimizer=sgd": "optimizer",
            "schedule=step_lr 2": "schedule", "train.seed=2": "train.seed", "train.batch=64": "train.batch", "train.shuffle=false": "train.shuffle",
            "train.clip_grad_norm=1": "train.clip_grad_norm", "train.clip_grad_value=1": "train.clip_grad_value", "train.accumulate=2": "train.accumulate",
            "train.average=ema": "train.average", "train.average={name: ema, decay: 0.9}": "train.average.decay",
            "train.average={name: swa, start: 2}": "train.average.start",
            "train.early_stopping={patience: 9, monitor: val_acc}": "train.early_stopping.monitor",
        }
        for setting, name in table.items():
            with self.subTest(setting):
                self.refuse("--set", setting, changed=[f'was begun with {name} "'])
        several = ["data.scale=1", "train.seed=2", "train.batch=64", "optimizer.lr=0.002"]
        self.refuse(*(word for one in several for word in ("--set", one)), changed=[f'with {table[one]} "' for one in several])

    def test_what_does_not_matter_may_differ(self):
        whole = self.whole("--set", "train.epochs=5")
        self.train()
        self.train("--resume", "--threads", "2", "--set", "checkpoint.every_steps=3", "--set", "train.epochs=5")
        for name in ("metrics.jsonl", "steps.jsonl", "probes.jsonl", "model.safetensors", "best.safetensors"):
            self.assertEqual(self.content()[name], whole[name], name)

    def test_two_damaged_ones_are_left_as_they_are(self):
        self.train()
        self.write(NEWEST, self.read(NEWEST)[:-1])
        self.write(PREVIOUS, b"")
        said = self.refuse()
        self.assertIn("state.safetensors", said)
        self.assertIn("previous.safetensors", said)
        self.assertIn("nothing was changed", said)

    def test_what_is_whole_but_wrong_is_refused_by_its_name(self):
        self.train()
        tensors, notes = weft.read_tensors(self.path(NEWEST))
        shape, data = tensors["0.weight"]
        table = {
            "a newer weft": (tensors, {**notes, "weft.format": "2", "weft.version": "9.1"}, "was written by a newer weft, 9.1, in format 2"),
            "no format": (tensors, {**notes, "weft.format": "x"}, '"weft.format" is "x"'),
            "not a number": ({**tensors, "0.weight": (shape, data[:8] + struct.pack("<f", float("nan")) + data[12:])}, notes,
                             'number 2 of tensor "0.weight" is nan'),
            "infinite": ({**tensors, "2.bias": (tensors["2.bias"][0], struct.pack("<f", float("inf")) + tensors["2.bias"][1][4:])}, notes,
                         'number 0 of tensor "2.bias" is inf'),
            "missing": ({name: one for name, one in tensors.items() if name != "optimizer.2.bias.exp_avg"}, notes, 'no tensor "optimizer.2.bias.exp_avg"'),
            "one more": ({**tensors, "7.weight": ([1], bytes(4))}, notes, 'holds a tensor "7.weight"'),
            "of another shape": ({**tensors, "0.weight": (shape[::-1], data)}, notes, 'tensor "0.weight" is float32 [784, 16]'),
            "no step": (tensors, {key: text for key, text in notes.items() if key != "step"}, 'note "step" is missing'),
            "cut": (tensors, {**notes, "step": "74"}, "its last epoch was cut there"),
        }
        for what, (changed, with_notes, why) in table.items():
            with self.subTest(what):
                self.write(NEWEST, tensor_file(changed, with_notes))
                self.refuse("--set", "train.epochs=6", changed=[why])
        self.write(NEWEST, tensor_file(tensors, notes))  # and it is the change that is refused, not the writer
        self.train("--resume", "--set", "train.epochs=6")

    def test_one_without_a_hash_or_an_infinite_moment_is_read(self):
        whole = self.whole("--set", "train.epochs=6")
        self.train()
        tensors, notes = weft.read_tensors(self.path(NEWEST))
        self.write(NEWEST, tensor_file(tensors, notes, checksum=False))
        self.train("--resume", "--set", "train.epochs=6")
        for name in ("metrics.jsonl", "model.safetensors", "best.safetensors", "checkpoint/state.safetensors"):
            self.assertEqual(self.content()[name], whole[name], name)
        tensors["optimizer.0.weight.exp_avg_sq"] = (tensors["0.weight"][0], struct.pack("<f", float("inf")) * (784 * 16))
        self.write(NEWEST, tensor_file(tensors, notes))
        self.train("--resume", "--set", "train.epochs=6")

    def test_metrics_that_are_lost_are_asked_for(self):
        self.train()
        lines = self.read("run", "metrics.jsonl").splitlines(keepends=True)
        for left in (b"".join(lines[:2]), lines[0] + b"junk\n" + lines[1], b""):
            self.write(os.path.join("run", "metrics.jsonl"), left)
            said = self.refuse("--set", "train.epochs=6")
            self.assertIn("but the run had come to epoch 4", said)

    def test_links_and_what_is_no_file_are_not_written_to(self):
        self.train()
        os.rename(self.path("run", "metrics.jsonl"), self.path("metrics"))
        for make, why in ((os.symlink, "symbolic link"), (os.link, "hard links")):
            make(self.path("metrics"), self.path("run", "metrics.jsonl"))
            said = self.weft("train", "e.yaml", "-o", "run", "-q", "--force", code=2).stderr
            self.assertIn(why, said)
            os.remove(self.path("run", "metrics.jsonl"))
        os.mkfifo(self.path("run", "metrics.jsonl"))
        self.assertIn("not a regular file", self.weft("train", "e.yaml", "-o", "run", "-q", "--force", code=2).stderr)


class Locked(Run):
    def hold(self, *words):
        """A command that goes on in the folder `run`."""
        process = self.start(*words, "-o", "run", "-q", "--set", "train.epochs=100000")
        self.wait_for(process, lambda: glob.glob(self.path("run", "run.json")) or glob.glob(self.path("run", "*", "seed-1", "run.json")))
        return process

    def refuse(self, *words, folder="run"):
        said = self.weft(*words, code=2).stderr
        self.assertRegex(said, rf"(?m)^weft: {folder}: another weft is at work in this folder; wait for it, or choose another folder with -o$")

    def test_a_second_trainer_is_refused_and_the_lock_dies_with_its_process(self):
        first = self.hold("train", "e.yaml")
        for words in (["train", "e.yaml", "-o", "run", "--resume"], ["train", "e.yaml", "-o", "run", "--force"], ["compare", "e.yaml", "-o", "run"]):
            self.refuse(*words)
        self.assertIsNone(first.poll())
        first.kill()
        first.communicate()
        epochs = self.read("run", "metrics.jsonl").count(b"\n") + 2
        self.weft("train", "e.yaml", "-o", "run", "-q", "--resume", "--set", f"train.epochs={epochs}")

    def test_a_comparison_and_its_trials_keep_others_out_and_are_kept_out(self):
        self.write("e.yaml", EXPERIMENT + "seeds: [1, 2]\n")
        first = self.hold("compare", "e.yaml", "-j", "1")
        inner = next(name for name in os.listdir(self.path("run")) if os.path.isdir(self.path("run", name)))
        self.refuse("compare", "e.yaml", "-o", "run")
        self.refuse("train", "e.yaml", "-o", f"run/{inner}/seed-1", "--resume", folder=f"run/{inner}/seed-1")
        first.kill()
        first.communicate()
        trial = self.start("train", "e.yaml", "-o", f"run/{inner}/seed-1", "--force", "-q", "--set", "train.epochs=100000")
        self.wait_for(trial, lambda: self.exists(f"run/{inner}/seed-1/{NEWEST[4:]}"))
        self.refuse("compare", "e.yaml", "-o", "run", "-q", folder=f"run/{inner}/seed-1")
        trial.kill()


weft.main()
