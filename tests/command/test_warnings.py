#!/usr/bin/python3
"""What is odd about a data set, and goes: one line on stderr that begins with weft: warning:, whatever else the command was asked."""
import gzip
import json
import os

import small
import weft

EXPERIMENT = """\
data: {set: small, scale: 255}
model: [linear 10]
train: {epochs: 1}
"""
IMAGES, LABELS = small.FILES["train"]
ALLOW = "--allow-trailing"
PADDED = f"weft: warning: small/{LABELS}.gz: byte {{}}: 512 zero bytes after the gzip data, as padding of tapes, are passed over\n"
TRAILING = (f"weft: warning: small/{IMAGES}: byte 47056: data after the end is passed over: [60, 28, 28] of uint8 takes 47056 bytes, "
            "and here are 47057\n")
REFUSAL = f"weft: small/{IMAGES}: byte 47056: data after the end: "

# Every command that opens a data set, with nothing of its own on stderr. {} is an output that is not there yet.
COMMANDS = [
    ["data", "info", "small"],
    ["data", "info", "small", "--json"],
    ["data", "show", "small", "-o", "{}.png"],
    ["train", "e.yaml", "-o", "{}", "--quiet"],
    ["train", "e.yaml", "-o", "{}", "--quiet", "--json"],
    ["compare", "e.yaml", "-o", "{}", "--quiet"],
    ["eval", "run"],
    ["eval", "run", "--json"],
    ["summary", "e.yaml"],
    ["summary", "e.yaml", "--json"],
]


class Warnings(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"), 60, 20)
        self.write("e.yaml", EXPERIMENT)
        self.weft("train", "e.yaml", "-o", "run", "-q")
        self.n_outputs = 0

    def lengthen(self):
        self.write("small/" + IMAGES, self.read("small", IMAGES) + b"x")

    def pad(self):
        """Gzips the labels, and pads them as tapes do. Returns the warning of it."""
        packed = gzip.compress(self.read("small", LABELS))
        self.write("small/" + LABELS + ".gz", packed + bytes(512))
        os.remove(self.path("small", LABELS))
        return PADDED.format(len(packed))

    def fill(self, words):
        self.n_outputs += 1
        return [word.format(f"output{self.n_outputs}") for word in words]

    def assert_all_say(self, expected, *more, **options):
        for words in COMMANDS:
            with self.subTest(" ".join(words)):
                result = self.weft(*self.fill(words), *more, **options)
                self.assertEqual(result.stderr, expected)
                if "--json" in words:
                    json.loads(result.stdout)

    def test_nothing_is_said_of_a_set_as_it_should_be(self):
        self.assert_all_say("")
        self.assert_all_say("", ALLOW)

    def test_a_file_that_is_too_long_is_refused_with_the_option_that_reads_it(self):
        self.lengthen()
        for words in COMMANDS:
            with self.subTest(" ".join(words)):
                filled = self.fill(words)
                result = self.weft(*filled, code=2)
                self.assertEqual(result.stdout, "")
                self.assertTrue(result.stderr.startswith(REFUSAL), result.stderr)
                self.assertIn(ALLOW, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertFalse(any(self.exists(word) for word in filled if word.startswith("output")))

    def test_with_the_option_every_command_reads_it_and_warns_once(self):
        self.lengthen()
        self.assert_all_say(TRAILING, ALLOW)

    def test_every_command_warns_once_of_padding(self):
        self.assert_all_say(self.pad())

    def test_each_oddity_is_a_line(self):
        self.lengthen()
        self.assert_all_say(TRAILING + self.pad(), ALLOW)

    def test_a_comparison_of_many_warns_once(self):
        self.lengthen()
        padded = self.pad()
        self.write("e.yaml", EXPERIMENT + "variants: {a: {}, b: {train: {batch: 8}}, c: {data: {set: ./small}}}\nseeds: [1, 2]\n")
        said = self.weft("compare", "e.yaml", "-o", "all", ALLOW).stderr
        warned = TRAILING + padded
        other = warned.replace("small/", "./small/")  # another name, and so another set
        self.assertTrue(said.startswith(warned + other + "3 variants x 2 seeds\n"), said)
        self.assertEqual(said.count("warning"), 4, said)

    def test_the_experiment_file_may_allow_it_and_the_run_folder_says_so(self):
        self.write("e.yaml", EXPERIMENT.replace("255}", "255, allow_trailing: true}"))
        self.weft("train", "e.yaml", "-o", "whole", "-q")
        self.lengthen()
        result = self.weft("train", "e.yaml", "-o", "long", "-q")
        self.assertEqual(result.stderr, TRAILING)
        self.assertTrue(result.stdout.endswith(f"next: weft eval long {ALLOW}\n"), result.stdout)
        self.assertIn(b"data: {set: small, scale: 255, allow_trailing: true}\n", self.read("long", "config.yaml"))
        self.assertEqual(self.read("long", "model.safetensors"), self.read("whole", "model.safetensors"))
        self.write("e.yaml", EXPERIMENT)
        self.weft("train", "e.yaml", "-o", "option", "-q", ALLOW)
        self.assertEqual(self.read("option", "config.yaml"), self.read("long", "config.yaml"))

    def test_a_mended_file_does_not_keep_a_run_from_going_on(self):
        whole = self.read("small", IMAGES)
        self.lengthen()
        self.weft("train", "e.yaml", "-o", "long", "-q", ALLOW)
        self.write("small/" + IMAGES, whole)
        self.weft("train", "e.yaml", "-o", "long", "-q", "--resume", "--set", "train.epochs=2")

    def test_what_is_odd_does_not_hide_what_is_wrong(self):
        self.lengthen()
        for command in ("train", "compare"):
            said = self.weft(command, "e.yaml", "-o", "none", ALLOW, "--set", "model=[linear 3]", code=2).stderr
            self.assertTrue(said.startswith(TRAILING), said)
            self.assertIn("linear 10", said)
            self.assertEqual(len(said.splitlines()), 2, said)

    def test_the_options_place_in_help(self):
        for words in COMMANDS:
            path = words[:2] if words[0] == "data" else words[:1]
            self.assertIn(ALLOW, self.weft(*path, "--help").stdout)


weft.main()
