#!/usr/bin/python3
"""What a user can get wrong in an experiment file or on the command line: exit 2, the place, the nearest word, all mistakes at once,
before anything runs."""
import hashlib
import os
import re

import small
import weft

GOOD = """\
data: {set: small, scale: 255}
model: [linear 20, relu, linear 10]
optimizer: {name: sgd, lr: 0.01}
train: {epochs: 1}
"""

# What is wrong, the file, and what the message must say: the place as LINE:COLUMN, then words.
BAD_FILES = [
    ("an unknown key", GOOD + "lose: cross_entropy\n", "5:1", ['"lose"', '"loss"']),
    ("an unknown key in a section", GOOD.replace("epochs: 1", "epoch: 1"), "4:9", ['"epoch"', '"epochs"']),
    ("an unknown layer", GOOD.replace("relu", "rleu"), "2:20", ['"rleu"', '"relu"']),
    ("an unknown optimizer", GOOD.replace("name: sgd", "name: sdg"), "3:19", ['"sdg"', '"sgd"']),
    ("an unknown setting of an optimizer", GOOD.replace("lr: 0.01", "momentom: 0.9"), "3:24", ['"momentom"', '"momentum"']),
    ("an unknown loss", GOOD + "loss: cross_entropi\n", "5:7", ['"cross_entropi"', '"cross_entropy"']),
    ("an unknown data set", GOOD.replace("set: small", "set: fashion-minst"), "1:13", ["fashion-minst", "fashion-mnist"]),
    ("a folder that is not there", GOOD.replace("set: small", "set: ./nowhere"), "1:13", ["./nowhere"]),
    ("text instead of a number", GOOD.replace("epochs: 1", "epochs: many"), "4:17", ["epochs", "many"]),
    ("a fraction instead of a whole number", GOOD.replace("epochs: 1", "epochs: 1.5"), "4:17", ["epochs", "1.5"]),
    ("a negative number of epochs", GOOD.replace("epochs: 1", "epochs: -1"), "4:17", ["epochs", "-1"]),
    ("no samples in a batch", GOOD.replace("epochs: 1", "batch: 0"), "4:16", ["batch", "0"]),
    ("a learning rate that is no number", GOOD.replace("0.01", "nan"), "3:28", ["lr", "nan"]),
    ("an infinite learning rate", GOOD.replace("0.01", "inf"), "3:28", ["lr", "inf"]),
    ("a learning rate below 0", GOOD.replace("0.01", "-1"), "3:28", ["lr", "-1"]),
    ("a learning rate too large for a float", GOOD.replace("0.01", "1e39"), "3:28", ["lr", "1e39"]),
    ("a momentum of 1", GOOD.replace("lr: 0.01", "momentum: 1"), "3:34", ["momentum", "1"]),
    ("a beta of 1", GOOD.replace("{name: sgd, lr: 0.01}", "{name: adam, betas: [0.9, 1.0]}"), "3", ["betas"]),
    ("an eps of 0", GOOD.replace("{name: sgd, lr: 0.01}", "{name: adam, eps: 0}"), "3:30", ["eps"]),
    ("nesterov without momentum", GOOD.replace("lr: 0.01", "nesterov: true"), "3:12", ["nesterov", "momentum"]),
    ("a scale of 0", GOOD.replace("255", "0"), "1:27", ["scale"]),
    ("a seed below 0", GOOD.replace("epochs: 1", "seed: -1"), "4:15", ["seed", "-1"]),
    ("a seed of 2^64", GOOD.replace("epochs: 1", "seed: 18446744073709551616"), "4:15", ["seed"]),
    ("a seed that is text", GOOD + "seeds: [1, abc]\n", "5:12", ["seed", "abc"]),
    ("a seed twice", GOOD + "seeds: [3, 3]\n", "5:12", ["3"]),
    ("no seed in the list", GOOD + "seeds: []\n", "5:8", ["seed"]),
    ("a layer without its size", GOOD.replace("linear 20", "linear"), "2:9", ["linear"]),
    ("a layer of size 0", GOOD.replace("linear 20", "linear 0"), "2", ["0"]),
    ("a word too many in a layer", GOOD.replace("relu", "relu 3"), "2", ["3"]),
    ("no model", GOOD.replace("model: [linear 20, relu, linear 10]\n", ""), "", ["model"]),
    ("an empty model", GOOD.replace("[linear 20, relu, linear 10]", "[]"), "2:8", ["model"]),
    ("no data", GOOD.replace("data: {set: small, scale: 255}\n", ""), "", ["data"]),
    ("a key twice", GOOD + "train: {epochs: 2}\n", "5:1", ["train"]),
    ("a list where a map belongs", GOOD.replace("{epochs: 1}", "[1]"), "4:8", ["train"]),
    ("a yes that is no boolean", GOOD.replace("epochs: 1", "shuffle: perhaps"), "4:18", ["shuffle", "perhaps"]),
    ("a start that is not there", GOOD.replace("epochs: 1", "init: no.safetensors"), "4:15", ["no.safetensors"]),
    ("a bracket that is not closed", GOOD.replace("linear 10]", "linear 10"), "", []),
    ("a tab as indentation", "data:\n\tset: small\n", "2:1", []),
    ("nothing", "", "", ["experiment"]),
    ("a comment and no more", "# later\n", "", ["experiment"]),
    ("a text", "hello\n", "1:1", []),
    ("two documents", GOOD + "---\n" + GOOD, "", []),
    ("an anchor", GOOD.replace("{epochs: 1}", "&t {epochs: 1}"), "4:8", []),
    ("a tag", GOOD.replace("epochs: 1", "epochs: !!int 1"), "4:17", []),
    ("bytes that are no text", GOOD.encode() + b"title: \xff\xfe\n", "5", []),
    ("a zero byte", GOOD.encode() + b"title: a\x00b\n", "", []),
    ("brackets, 100,000 deep", "model: " + "[" * 100000, "", []),
    ("an unknown key in a variant", GOOD + "variants:\n  a: {optimizer: {name: adam, beta: 0.9}}\n", "6:31", ['"beta"', '"betas"']),
    ("a variant that is no map", GOOD + "variants: {a: 3}\n", "5:15", ["variant"]),
]

# Command lines, and what the message must say. {} is a good experiment file.
BAD_LINES = [
    (["trian", "{}"], ['"trian"', '"train"']),
    (["data", "inof", "small"], ['"inof"', '"info"']),
    (["train"], ["FILE.yaml", "--help"]),
    (["train", "{}", "{}"], ["{}"]),
    (["train", "nowhere.yaml"], ["nowhere.yaml"]),
    (["train", "."], ["."]),
    (["train", "{}", "--sede", "1"], ["--sede", "--seed"]),
    (["train", "{}", "--seed"], ["--seed"]),
    (["train", "{}", "--seed", "-1"], ["seed", "-1"]),
    (["train", "{}", "--seed", "abc"], ["seed", "abc"]),
    (["train", "{}", "--seed", ""], ["seed"]),
    (["train", "{}", "--seed", "18446744073709551616"], ["seed"]),
    (["train", "{}", "--seed", "1", "--seed", "2"], ["seed", "twice"]),
    (["train", "{}", "--threads", "0"], ["threads", "0"]),
    (["train", "{}", "--threads", "100000"], ["threads", "1024"]),
    (["train", "{}", "--quiet=yes"], ["--quiet"]),
    (["train", "{}", "--set", "train.epoch=3"], ['"epoch"', '"epochs"']),
    (["train", "{}", "--set", "optimizer.lr=fast"], ["lr", "fast"]),
    (["train", "{}", "--set", "nonsense"], ["nonsense"]),
    (["train", "{}", "--set", "=3"], []),
    (["train", "{}", "--set", ""], []),
    (["train", "{}", "--set", "model=[linear 20, rleu, linear 10]"], ['"rleu"', '"relu"']),
    (["train", "{}", "--set", "model=[linear 20, relu, linear 3]"], ["3", "10", "linear 10"]),
    (["train", "{}", "--variant", "adma"], ["adma"]),
    (["train", "{}", "-o", ""], []),
    (["compare", "{}", "--jobs", "0"], ["jobs", "0"]),
    (["compare", "{}", "--set", "seeds=[1, one]"], ["seed", "one"]),
    (["eval", "nowhere"], ["nowhere"]),
    (["eval", "small"], ["small"]),
    (["eval", "small", "--split", "all"], ["split", "train", "test", "all"]),
    (["summary", "{}", "--paln"], ["--paln", "--plan"]),
    (["data", "info", "fashion-minst"], ["fashion-minst", "fashion-mnist"]),
    (["data", "info", "{}"], []),
    (["data", "show", "small", "--per-class", "0"], ["per-class", "0"]),
    (["data", "show", "small", "--split", "all"], ["split", "all"]),
    (["data", "show", "small", "-o", "grid.jpeg"], ["grid.jpeg", ".png", ".svg"]),
]

PLACE = re.compile(r"weft: bad\.yaml(?::(\d+)(?::(\d+))?)?: \S")


class Bad(weft.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"), 60, 20)

    def check_nothing_written(self, before):
        self.assertEqual(sorted(os.listdir(self.folder)), before, "something was written")

    def refuse(self, words, *arguments):
        before = sorted(os.listdir(self.folder))
        result = self.weft(*arguments, code=2, timeout=60)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr, "no message")
        for line in result.stderr.splitlines():
            self.assertRegex(line, r"^weft: ")
        self.assertNotRegex(result.stderr, "[\x00-\x09\x0b-\x1f\x7f]")
        for word in words:
            self.assertIn(word, result.stderr)
        self.check_nothing_written(before)
        return result.stderr

    def test_each_mistake_of_a_file_is_refused_with_its_place_and_a_word_of_help(self):
        for what, content, place, words in BAD_FILES:
            for command in ("train", "compare", "summary"):
                with self.subTest(what, command=command):
                    self.write("bad.yaml", content)
                    # the same output folder for all: it must never come into being
                    output = [] if command == "summary" else ["-o", "run"]
                    said = self.refuse(words, command, "bad.yaml", *output)
                    found = PLACE.match(said)
                    self.assertTrue(found, said)
                    if place:
                        self.assertTrue(f"{found[1]}:{found[2]}:".startswith(place + ":"), f"expected {place}: {said}")

    def test_each_mistake_of_a_command_line_is_refused(self):
        self.write("good.yaml", GOOD)
        for arguments, words in BAD_LINES:
            with self.subTest(" ".join(arguments)):
                arguments, words = ([one.replace("{}", "good.yaml") for one in list] for list in (arguments, words))
                output = ["-o", "run"] if arguments[0] in ("train", "compare") and "-o" not in arguments else []
                self.refuse(words, *arguments, *output)

    def test_all_mistakes_are_said_at_once_in_the_order_of_the_file(self):
        self.write("bad.yaml", "titel: a\ndata: {set: small, scal: 255}\nmodel: [linear 20, rleu, linear 10]\n"
                   "optimizer: {name: sgd, lr: -1, momentom: 0.9}\ntrain: {epochs: many, seeds: 3}\nsedes: [1]\n")
        said = self.refuse(["titel", "scal", "rleu", "lr", "momentom", "many", '"seeds"', "sedes"], "compare", "bad.yaml", "-o", "run")
        self.assertEqual(len(said.splitlines()), 8, said)
        for line in said.splitlines():
            self.assertRegex(line, PLACE)

    def test_mistakes_of_every_variant_are_said_before_any_runs(self):
        self.write("bad.yaml", GOOD + "variants:\n  good: {}\n  a: {model: [linear 20, relu, linear 3]}\n  b: {model: [lineal 3]}\n  c: {train: {epoch: 1}}\n")
        self.refuse(["lineal", '"epoch"'], "compare", "bad.yaml", "-o", "run")
        self.write("bad.yaml", GOOD + "variants:\n  good: {}\n  a: {model: [linear 20, relu, linear 3]}\n  b: {model: [linear 4]}\n")
        said = self.refuse(["variant a", "variant b"], "compare", "bad.yaml", "-o", "run")
        self.assertEqual(len(said.splitlines()), 2, said)

    def test_what_is_a_user_s_word_never_reaches_the_terminal_raw(self):
        self.write("good.yaml", GOOD)
        self.refuse([], "train", "good.yaml", "--set", "\x1b[31mred=1", "-o", "run")
        self.refuse([], "train", "good.yaml", "--variant", "\x1b]0;title\x07", "-o", "run")
        self.refuse([], "train", "\x1b[2Jfile.yaml", "-o", "run")
        self.refuse([], "\x1b[2J")

    def test_a_file_that_cannot_be_read_is_refused(self):
        os.mkfifo(self.path("fifo.yaml"))
        for path in ("fifo.yaml", "/dev/zero", "/dev/null", "small", "nowhere.yaml"):
            with self.subTest(path):
                self.refuse([path], "train", path, "-o", "run")

    def test_a_file_of_a_gigabyte_is_refused(self):
        with open(self.path("big.yaml"), "wb") as file:
            file.truncate(1 << 30)
        self.refuse(["big.yaml"], "train", "big.yaml", "-o", "run")

    def test_an_output_folder_that_cannot_be_made_is_refused(self):
        self.write("good.yaml", GOOD)
        before = sorted(os.listdir(self.folder))
        for command in ("train", "compare"):
            for folder in ("good.yaml", "good.yaml/run", "/proc/run", "x" * 300):
                with self.subTest(folder[:20], command=command):
                    process = self.start(command, "good.yaml", "-o", folder)
                    _, said = process.communicate(timeout=60)
                    self.assertIn(process.returncode, (1, 2), said)
                    self.assertRegex(said.decode(), r"weft: .*" + re.escape(folder.removesuffix("/run")[:20]))
                    self.check_nothing_written(before)

    def test_what_is_good_is_taken(self):
        for what, settings in (("no epochs", ["train.epochs=0"]), ("a learning rate of 0", ["optimizer.lr=0"]), ("a tiny one", ["optimizer.lr=1e-400"]),
                               ("the largest seed", ["train.seed=18446744073709551615"]), ("a batch larger than the data", ["train.batch=1000"]),
                               ("a batch of 1", ["train.batch=1"]), ("a spec", ["optimizer=sgd 0.1 momentum=0.9"])):
            with self.subTest(what):
                self.write("good.yaml", GOOD)
                self.weft("train", "good.yaml", "-o", "run", "--force", *[word for one in settings for word in ("--set", one)])
                self.assertEqual(self.read_json("run", "run.json")["status"], "done")

    def test_a_run_says_what_made_it_and_what_it_made(self):
        self.write("my file.yaml", GOOD)
        self.weft("train", "my file.yaml", "-o", "it's", "--threads", "2", "--set", "train.max_steps=3")
        record = self.read_json("it's", "run.json")
        self.assertEqual(record["command"], r"weft train 'my file.yaml' -o 'it'\''s' --threads 2 --set train.max_steps=3")
        self.assertEqual(record["result"], hashlib.sha256(self.read("it's", "model.safetensors")).hexdigest())
        self.assertEqual(record["threads"], 2)
        self.assertTrue(record["cpu"])
        self.weft("train", "my file.yaml", "-o", "other", "--seed", "2")
        other = self.read_json("other", "run.json")
        self.assertEqual(record["fingerprint"], other["fingerprint"])
        self.assertNotEqual(record["result"], other["result"])


if __name__ == "__main__":
    weft.main()
