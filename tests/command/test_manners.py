#!/usr/bin/python3
"""How the command behaves towards the people and programs that run it."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import small
import weft

COMMANDS = (["data", "info"], ["data", "show"], ["train"], ["compare"], ["eval"], ["predict"], ["summary"], ["bench"])


class Help(weft.Case):
    def test_every_command_leads_with_examples(self):
        for words in COMMANDS:
            said = self.weft(*words, "--help").stdout
            self.assertRegex(said.splitlines()[2], r"^  weft " + " ".join(words), words)
            self.assertIn("options:", said)

    def test_weft_alone_shows_help_and_is_bad_usage(self):
        self.assertIn("commands:", self.weft(code=2).stdout)
        self.assertIn("commands:", self.weft("--help").stdout)

    def test_the_version_is_the_headers(self):
        with open(os.path.join(weft.ROOT, "include", "weft.h")) as header:
            version = re.search(r'#define WEFT_VERSION "(.*)"', header.read())[1]
        self.assertEqual(self.weft("--version").stdout, f"weft {version}\n")


class Demo(weft.Case):
    def test_it_takes_a_number_of_seeds(self):
        for words, wanted in (([], r"-o runs/tutorial --force\s*$"), (["SEEDS=3"], r'--set "seeds=\[1,2,3\]"\s*$')):
            said = subprocess.run(["make", "-n", "demo", *words], cwd=weft.ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self.assertRegex(said.stdout, wanted)


class Output(weft.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", weft.TUTORIAL.replace("fashion-mnist", small.make(self.path("set"))).replace("epochs: 1", "epochs: 3"))

    def test_without_a_terminal_there_is_a_clean_line_an_epoch(self):
        result = self.weft("train", "e.yaml", "-o", "run")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 3)
        for i, line in enumerate(lines):
            self.assertRegex(line, rf"^epoch {i + 1}/3  loss [0-9.]+  accuracy +[0-9.]+ %  validation: ")
        self.assertNotRegex(result.stderr + result.stdout, r"[\r\x1b]")
        self.assertRegex(result.stdout, r"(?m)^wrote run: .*\nnext: weft eval run$")

    def test_quiet_says_nothing_on_the_way(self):
        self.assertEqual(self.weft("train", "e.yaml", "-o", "run", "-q").stderr, "")

    def test_on_a_terminal_there_is_a_bar_with_the_time_left_and_the_loss(self):
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(str(error))
        process = self.start("train", "e.yaml", "-o", "run", "--set", "train.epochs=200", "--set", "model=[linear 300, relu, linear 10]",
                             stderr=slave, env={"TERM": "xterm"})
        os.close(slave)
        shown, deadline = b"", time.monotonic() + 120
        while not re.search(rb"\[#*\.*\] +\d+ %  .*left \| epoch \d+/200  loss \d", shown):
            self.assertLess(time.monotonic(), deadline, shown)
            if select.select([master], [], [], 1)[0]:
                shown += os.read(master, 65536)
        process.kill()
        os.close(master)

    def test_a_run_is_never_written_over_without_a_word(self):
        self.weft("train", "e.yaml", "-o", "run")
        before = self.read("run", "metrics.jsonl")
        self.assertIn("--force", self.weft("train", "e.yaml", "-o", "run", code=2).stderr)
        self.assertEqual(self.read("run", "metrics.jsonl"), before)
        self.weft("train", "e.yaml", "-o", "run", "--force")

    def test_what_is_written_has_a_name_that_can_be_shown(self):
        for name in ("", "a\x1b[2J", "line\nbreak", "\udcff", "\u202e"):  # the last but one: a byte that is no UTF-8
            for words in (["train", "e.yaml", "-o"], ["report", "runs", "-o"]):
                said = self.weft(*words, name, code=2).stderr
                self.assertIn("--output takes a path of characters that can be shown", said)
                self.assertEqual(len(said.splitlines()), 1)

    def test_json_is_for_programs(self):
        result = json.loads(self.weft("train", "e.yaml", "-o", "run", "--json").stdout)
        self.assertEqual((result["status"], result["last"]["epoch"]), ("done", 3))

    def test_the_locale_changes_nothing(self):
        seen = set()
        for i, locale in enumerate(("C", "de_DE.UTF-8", "tr_TR.UTF-8", "nonsense")):
            self.weft("train", "e.yaml", "-o", f"run{i}", env={"LC_ALL": locale})
            lines = weft.without_seconds(self.read_lines(f"run{i}", "metrics.jsonl"))
            seen.add((str(lines), self.read(f"run{i}", "config.yaml"), weft.hash_tensors(self.path(f"run{i}", "model.safetensors"))))
        self.assertEqual(len(seen), 1)

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            self.assertIn("standard output", self.weft("data", "info", "fashion-mnist", stdout=full, code=1).stderr)

    def test_a_missing_data_set_is_said_with_how_to_get_it(self):
        said = self.weft("data", "info", "fashion-mnits", code=2).stderr
        self.assertIn('did you mean "fashion-mnist"?', said)


class Stopping(weft.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", weft.TUTORIAL.replace("fashion-mnist", small.make(self.path("set"))).replace("epochs: 1", "epochs: 60")
                   .replace("sgd, lr: 0.01", "adam"))

    def stop(self, number, code, *more):
        """Stops a run somewhere in its middle; returns what it said."""
        process = self.start("train", "e.yaml", "-o", "run", *more)
        while not self.exists("run", "metrics.jsonl") or len(self.read("run", "metrics.jsonl")) < 300:
            self.assertIsNone(process.poll(), "it ended before it could be stopped")
            time.sleep(0.002)
        process.send_signal(number)
        out, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, said)
        return out.decode() + said.decode()

    def test_after_an_interrupt_it_goes_on_to_the_same_bits(self):
        said = self.stop(signal.SIGINT, 130)
        self.assertIn("--resume", said)
        self.assertTrue(self.exists("run", "checkpoint", "state.safetensors"))
        self.assertEqual(self.read_json("run", "run.json")["status"], "stopped")
        self.weft("train", "e.yaml", "-o", "run", "--resume")
        self.weft("train", "e.yaml", "-o", "whole")
        for name in ("model.safetensors", "best.safetensors"):
            self.assertEqual(self.read("run", name), self.read("whole", name), name)
        self.assertEqual(*(weft.without_seconds(self.read_lines(run, "metrics.jsonl")) for run in ("run", "whole")))

    def test_a_request_to_end_is_143_and_saves_too(self):
        self.stop(signal.SIGTERM, 143)
        self.assertTrue(self.exists("run", "model.safetensors"))

    def test_it_goes_on_after_being_killed(self):
        self.stop(signal.SIGKILL, -9)
        self.weft("train", "e.yaml", "-o", "run", "--resume")
        self.weft("train", "e.yaml", "-o", "whole")
        self.assertEqual(self.read("run", "model.safetensors"), self.read("whole", "model.safetensors"))

    def test_other_settings_do_not_go_on(self):
        self.stop(signal.SIGINT, 130)
        said = self.weft("train", "e.yaml", "-o", "run", "--resume", "--set", "train.batch=16", "--set", "optimizer.lr=0.5", code=2).stderr
        self.assertIn("train.batch", said)
        self.assertIn("optimizer", said)


weft.main()
