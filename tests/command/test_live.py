#!/usr/bin/python3
"""What a terminal shows while trials run, and what is left of it."""
import fcntl
import os
import pty
import re
import select
import struct
import termios

import small
import weft

EXPERIMENT = """\
data: {set: %s, scale: 255}
model: [linear 128, relu, linear 10]
train: {epochs: 30, batch: 16}
variants:
  plain: {}
  "a name that is much longer than a narrow terminal could ever hold, \u00e4": {optimizer: {lr: 0.1}}
  wild: {data: {scale: 1e-6}, optimizer: {lr: 1e9}}
seeds: [1, 2]
"""


class Screen:
    """As much of a terminal as weft uses: what it shows, and what it showed before each time that something was erased."""

    def __init__(self):
        self.lines, self.y, self.x, self.before, self.highest = [""], 0, 0, [], 0

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines)

    def widest(self):
        """Of the live area's lines."""
        return max(len(line) for shown in self.before for line in shown.splitlines() if re.match(r"\d/\d done|  ", line))

    def feed(self, said):
        for number, letter, character in re.findall(r"\x1b\[(\d*)([A-Za-z])|([^\x1b])", said):
            if letter == "A":
                self.y -= int(number or 1)
                self.highest = max(self.highest, int(number or 1) + 1)
            elif letter == "J":
                self.before.append(self.text())
                self.lines = self.lines[:self.y + 1]
                self.lines[self.y] = self.lines[self.y][:self.x]
            elif letter:
                raise AssertionError("it says CSI " + letter)
            elif character == "\r":
                self.x = 0
            elif character == "\n":
                self.y, self.x = self.y + 1, 0
                self.lines += [""] * (self.y + 1 - len(self.lines))
            else:
                line = self.lines[self.y].ljust(self.x)
                self.lines[self.y] = line[:self.x] + character + line[self.x + 1:]
                self.x += 1


class Live(weft.Case):
    def setUp(self):
        super().setUp()
        self.write("e.yaml", EXPERIMENT % small.make(self.path("set")))

    def show(self, columns, rows, *words, **environment):
        """Runs the command on a terminal; returns its screen at the end."""
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(str(error))
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        with open(self.path("stdout"), "wb") as stdout:
            process = self.start(*words, stdout=stdout, stderr=slave, env={"TERM": "xterm", **environment})
        os.close(slave)
        said = b""
        while True:
            try:
                select.select([master], [], [], 60)
                part = os.read(master, 65536)
            except OSError:  # its last writer has closed it
                break
            if not part:
                break
            said += part
        os.close(master)
        self.assertEqual(process.wait(), 0, said)
        screen = Screen()
        screen.feed(said.decode())
        return screen

    def test_a_comparison_has_a_line_for_all_and_one_for_each_that_runs(self):
        screen = self.show(100, 24, "compare", "e.yaml", "-o", "out", "--jobs", "2")
        shown = "\n".join(screen.before)
        self.assertRegex(shown, r"(?m)^\d/6 done \[#*\.*\] +\d+ %  .* left after \d+ s  best \d\d\.\d\d % \(\w.*")
        self.assertRegex(shown, r"(?m)^  plain, seed 1 +\[#*\.*\] epoch \d+/30  loss \d\.\d{4}  accuracy \d\d\.\d\d %$")
        self.assertRegex(shown, r"(?m)^\d/6 done .*\n  .*seed \d.*\n  .*seed \d")  # two of them at a time
        self.assertNotRegex(shown, r"(?m)^\d/6 done .*(\n  .*){3}")
        self.assertLess(screen.widest(), 100)

    def test_nothing_of_it_is_left_but_a_line_a_trial(self):
        screen = self.show(100, 24, "compare", "e.yaml", "-o", "out")
        lines = screen.text().rstrip().splitlines()
        self.assertEqual(lines[0], "3 variants x 2 seeds")
        self.assertEqual(len(lines), 7)
        for line in lines[1:]:
            self.assertRegex(line, r"^.*, seed [12]: (done  epoch 30/30  validation accuracy \d\d\.\d\d %|diverged at step \d+.*)  \d+ s$")

    def test_a_small_terminal_is_never_overrun(self):
        screen = self.show(40, 3, "compare", "e.yaml", "-o", "out", "--jobs", "4")
        self.assertLess(screen.highest, 4)
        self.assertRegex("\n".join(screen.before), r"(?m)^\d/6 done +\d+ %.*\n  and [234] more$")
        self.assertNotIn("[", "\n".join(screen.before))
        self.assertLess(screen.widest(), 40)

    def test_what_was_there_before_counts(self):
        self.weft("compare", "e.yaml", "-o", "out", "-q")
        screen = self.show(100, 24, "compare", "e.yaml", "-o", "out", "--set", "seeds=[1, 2, 3]", "--jobs", "1")
        shown = "\n".join(screen.before)
        best = max(line["val_acc"] for variant in os.listdir(self.path("out")) if os.path.isdir(self.path("out", variant))
                   for seed in ("seed-1", "seed-2") if self.exists("out", variant, seed, "metrics.jsonl")
                   for line in self.read_lines("out", variant, seed, "metrics.jsonl"))
        first = re.search(r"(?m)^6/9 done .*best (\d\d\.\d\d) %", shown)
        self.assertIsNotNone(first, shown)
        self.assertGreaterEqual(float(first[1]), round(100 * best, 2))

    def test_a_trial_that_pauses_is_not_over(self):
        self.write("e.yaml", "data: {set: %s, scale: 255}\nmodel: [linear 32, relu, linear 10]\ntrain: {epochs: 9, batch: 16}\n"
                   "sweep: {method: grid, halving: {eta: 3, min_epochs: 1}, over: {optimizer.lr: [0.001, 0.01, 0.03, 0.1, 0.2, 0.3]}}\n"
                   % small.make(self.path("set")))
        lines = self.show(100, 24, "compare", "e.yaml", "-o", "out").text().rstrip().splitlines()
        self.assertGreater(len(lines), 1)
        for line in lines[1:]:
            self.assertRegex(line, r"^.*: done  epoch 9/9  validation accuracy ")

    def test_a_dumb_terminal_gets_clean_lines(self):
        screen = self.show(100, 24, "compare", "e.yaml", "-o", "out", "--set", "train.epochs=2", TERM="dumb")
        self.assertEqual(screen.before, [])
        self.assertRegex(screen.text(), r"(?m)^plain, seed 1: epoch 2/2  loss ")

    def test_quiet_shows_nothing(self):
        screen = self.show(100, 24, "compare", "e.yaml", "-o", "out", "-q", "--set", "train.epochs=2")
        self.assertEqual(screen.text(), "")


weft.main()
