#!/usr/bin/python3
"""Models' files (safetensors, JSON) that are broken, hostile or odd: what the command says of each, and that nothing is lost. Every prefix and
every bit of a small file, which would be thousands of processes, are in tests/test_tensor.c."""
import json
import os
import random
import struct

import bad
import small
import weft
from bad import Row

FOLLOWS = "is cut short or not a safetensors file: its header should have"


def packed(header, data=b""):
    """A file of a header, as text or as what JSON makes of it."""
    words = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(words)) + words + data


def record(dtype="F32", shape=(3,), begin=0, end=12, **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def one(name="a", **entry):
    return packed({name: record(**entry)}, bytes(12))


def many(n, entry, before=b'{"a":0', after=b"}"):
    return packed(before + b"".join(entry % i for i in range(n)) + after)


NOT_ONE = " is not a safetensors file: its header is not a JSON object$"
PLACES = ' tensor "a": its data_offsets are not two places in the 12 bytes of data$'
BAD = [
    *(Row(f"{n} bytes", bytes(n), f" {n} bytes are too few for a safetensors file$") for n in range(10)),
    *(Row(f"a header of {n} bytes", struct.pack("<Q", n) + b"{}" + bytes(10), f" {FOLLOWS} {n} bytes, but only 12 follow$")
      for n in (13, 100, 2 ** 32, 2 ** 63, 2 ** 64 - 8, 2 ** 64 - 1)),
    Row("a pickle of PyTorch", b"PK\3\4" + bytes(100), f" {FOLLOWS}"),
    Row("an HDF5", b"\x89HDF\r\n\x1a\n" + bytes(100), f" {FOLLOWS}"),
    Row("a header of nothing", packed(b"") + b"  ", NOT_ONE),
    Row("a list", packed(b"[1]"), NOT_ONE),
    Row("a byte order mark", packed(b"\xef\xbb\xbf{}"), NOT_ONE),
    Row("a blank in front", packed(b" {}"), NOT_ONE),
    Row("rubbish in the header", packed(b"{}garbage"), NOT_ONE),
    Row("a newline behind the header", packed(b"{}\n"), NOT_ONE),
    Row("two objects", packed(b"{}{}"), r" its header is wrong at byte \d+: "),
    Row("a comma too many", packed(b'{"a":{},}'), r" its header is wrong at byte \d+: "),
    Row("UTF-16", packed('{"a":1}'.encode("utf-16-le")), NOT_ONE),
    Row("a name that is no UTF-8", packed(b'{"\xff":{}}'), r" its header is wrong at byte \d+: "),
    Row("a name with a zero byte", packed(b'{"a\\u0000b":{}}'), r" its header is wrong at byte \d+: "),
    Row("half a surrogate pair", packed(b'{"\\ud800":{}}'), r" its header is wrong at byte \d+: "),
    Row("100,000 brackets", packed(b'{"a":' + b"[" * 100000 + b"}"), r" its header is nested more than 64 deep at byte \d+$"),
    Row("100,000 braces", packed(b'{"a":' * 100000 + b"}"), r" its header is nested more than 64 deep at byte \d+$"),
    Row("a text of 10 MB", packed({"__metadata__": {"a": "x" * 10_000_000}}), " the file does not name its layers"),
    Row("a name of 10 MB", one("x" * 10_000_000), " the name of tensor .* is longer than 4096 bytes$"),
    Row("a million keys", many(1_000_000, b',"%d":0'), " its header holds far more than tensors and notes need$"),
    Row("a million numbers", packed(b'{"a":[0' + b",0" * 1_000_000 + b"]}"), " its header holds far more than tensors and notes need$"),
    Row("a million tensors", many(1_000_000, b',"%d":{}'), " holds more than 20000 tensors$"),
    Row("all tensors that there may be", packed({f"t{i}": record("U8", (0,), 0, 0) for i in range(20000)}), " the file does not name its layers"),
    Row("a number of 1,000,000 digits", packed(b'{"a":' + b"9" * 1_000_000 + b"}"), r" its header is wrong at byte \d+: "),
    Row("a tensor twice", packed(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), r" .*duplicate"),
    Row("a key twice", packed(b'{"a":{"dtype":"U8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}'), r" .*duplicate"),
    Row("an unknown key", one(extra=1), ' tensor "a" must have dtype, shape and data_offsets, and nothing else$'),
    Row("no dtype", packed({"a": {"shape": [0], "data_offsets": [0, 0]}}), ' tensor "a" must have dtype, shape and data_offsets, and nothing else$'),
    Row("a number for a tensor", packed({"a": 7}), ' tensor "a" must have'),
    Row("the end before the beginning", one(begin=12, end=0), PLACES),
    Row("an end past the data", one(shape=(4,), end=16), PLACES),
    Row("an end of 2^63 - 1", one(end=2 ** 63 - 1), PLACES),
    Row("an end beyond 64 bits", one(end=2 ** 64), r" its header is wrong at byte \d+: "),
    Row("a beginning below 0", one(begin=-12), PLACES),
    Row("a fraction as an end", one(end=12.0), PLACES),
    Row("two tensors in one place", packed({"a": record(), "b": record()}, bytes(12)), ' tensor "b" begins at byte 0 of the data, but the one before ends at 12$'),
    Row("tensors that overlap", packed({"a": record(shape=(2,), end=8), "b": record(shape=(2,), begin=4)}, bytes(12)), ' tensor "b" begins at byte 4 of the data, but the one before ends at 8$'),
    Row("a hole", packed({"a": record(shape=(1,), end=4), "b": record(shape=(1,), begin=8)}, bytes(12)), ' tensor "b" begins at byte 8 of the data, but the one before ends at 4$'),
    Row("a hole at the beginning", one(shape=(2,), begin=4), ' tensor "a" begins at byte 4 of the data, but the one before ends at 0$'),
    Row("bytes behind the last tensor", packed({"a": record()}, bytes(12) + b"PK\3\4"), " 4 bytes follow the last tensor$"),
    *(Row(f"dtype {dtype}", one(dtype=dtype), f' tensor "a" has dtype "{dtype}"; only U8, .* can be read$') for dtype in ("F4", "BF16", "f32", "F8_E4M3", "U64", "")),
    Row("a dtype that is no text", one(dtype=32), ' tensor "a": its dtype is not a text$'),
    Row("a shape of other size", one(shape=(4,)), r' tensor "a" has 12 bytes, which is not what \[4\] of F32 take$'),
    Row("a shape beyond 64 bits", one(shape=(2 ** 62, 2 ** 62, 3)), ' tensor "a" has 12 bytes, which is not what'),
    Row("a shape of 2^64 + 12 bytes", one(dtype="U8", shape=(2 ** 32, 2 ** 32, 1, 12)), ' tensor "a" has 12 bytes, which is not what'),
    Row("a dimension below 0", one(shape=(-3,)), ' tensor "a": dimension 0 is not a whole number$'),
    Row("9 dimensions", one(shape=(3,) + (1,) * 8), ' tensor "a" has 9 dimensions; at most 8 can be read$'),
    Row("a note that is no text", packed({"__metadata__": {"a": 1}}), ' the note "a" is not a text$'),
    Row("notes that are a list", packed({"__metadata__": []}), " its __metadata__ is not a JSON object$"),
    Row("a name that is a path", one("../../etc/passwd", dtype="F4"), r' tensor "\.\./\.\./etc/passwd" has dtype "F4"'),
    Row("a name for the terminal", one("\x1b[2J\x1b]0;t\x07\u202e", dtype="F4"), r' tensor "\\x1b\[2J\\x1b\]0;t\\x07\\u202e" has dtype "F4"'),
    Row("a file of another program", one(), " the file does not name its layers: weft did not write it"),
    Row("a gigabyte of zeros", None, NOT_ONE),
]


class Models(bad.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("small"), 60, 20)
        self.write("e.yaml", "data: {set: small, scale: 255}\nmodel: [linear 20, batch_norm, relu, linear 10]\ntrain: {epochs: 1}\n")
        self.weft("train", "e.yaml", "-o", "run", "-q")
        self.good = self.read("run", "model.safetensors")
        (length,) = struct.unpack_from("<Q", self.good)
        self.header, self.data = json.loads(self.good[8:8 + length]), self.good[8 + length:]
        self.learn_idle("eval", "run")

    def changed(self, notes=None, data=None, **tensors):
        """The model without its sum, with other notes and records; None takes one away."""
        header = {**self.header, **tensors}
        header["__metadata__"] = {name: value for name, value in {**header["__metadata__"], **(notes or {})}.items()
                                  if value is not None and name not in ("sha256", "checksum")}
        return packed({name: value for name, value in header.items() if value is not None}, self.data if data is None else data)

    def check_row(self, row):
        self.write("x.safetensors", row.content or b"")
        if row.content is None:
            os.truncate(self.path("x.safetensors"), 1 << 30)
        self.check(row, "x.safetensors", "eval", "x.safetensors")

    def test_bad_files_are_refused(self):
        for row in BAD:
            with self.subTest(row.what):
                self.check_row(row)

    def test_damage_anywhere_is_found(self):
        chance = random.Random(1)
        says = " (is damaged|is cut short|is not a safetensors file|its header is|tensor|holds|the note)"
        for bit in sorted(chance.sample(range(8 * len(self.good)), 60)):
            content = bytearray(self.good)
            content[bit // 8] ^= 1 << bit % 8
            self.check_row(Row(f"bit {bit}", bytes(content), says))
        for n in sorted(chance.sample(range(len(self.good)), 30)):
            self.check_row(Row(f"{n} bytes", self.good[:n], says))

    def test_a_model_that_is_not_what_it_says_is_refused(self):
        entry = self.header["0.weight"]
        more = {"extra": record("F32", (1,), len(self.data), len(self.data) + 4)}
        rows = [
            Row("layers of nothing", self.changed({"weft.layers": ""}), ""),
            Row("a layer that does not exist", self.changed({"weft.layers": "linear 20, exec, linear 10"}), ""),
            Row("no tensor", self.changed(**{"0.weight": None, "x": entry}), ' no tensor "0.weight"; the model\'s linear 20 needs one of shape'),
            Row("a tensor too many", self.changed(data=self.data + bytes(4), **more), r" the file has 10 tensors, but the model .* needs 9$"),
            Row("a wrong shape", self.changed(**{"0.weight": {**entry, "shape": [784, 20]}}), r' tensor "0.weight" is float32 \[784, 20\], but the model\'s linear 20 needs float32 \[20, 784\]$'),
            Row("a wrong dtype", self.changed(**{"0.weight": {**entry, "dtype": "I32"}}), r' tensor "0.weight" is int32 \[20, 784\], but'),
            Row("a scale of 0", self.changed({"weft.scale": "0"}), ' its scale is "0", which is not a number above 0$'),
            Row("a scale that is no number", self.changed({"weft.scale": "nan"}), ' its scale is "nan"'),
            Row("a task nobody knows", self.changed({"weft.task": "world domination"}), ' its task is "world domination", of which nothing is known$'),
            Row("an image of another size", self.changed({"weft.image": '{"channels":1,"height":28,"width":27}'}), " its image is .* which says no picture of 784 numbers$"),
            Row("a later format", self.changed({"weft.format": "2"}), r" a later weft wrote it, in format 2; this one, [\d.]+, reads up to 1: use the later one$"),
            Row("a format that is no number", self.changed({"weft.format": "new"}), ' its format is "new", which is no number$'),
        ]
        for row in rows:
            with self.subTest(row.what):
                if row.says:
                    self.check_row(row)
                else:  # the message is about the layers, not about the file
                    self.write("x.safetensors", row.content)
                    self.assertEqual(self.measure("eval", "x.safetensors").code, 2)

    def test_every_difference_of_another_architecture_is_named(self):
        self.write("x.safetensors", self.changed({"weft.layers": "linear 30, batch_norm, relu, linear 11"}))
        outcome = self.measure("eval", "x.safetensors")
        self.assertEqual(outcome.code, 2)
        for name in ("0.weight", "0.bias", "1.weight", "3.bias"):
            self.assertIn(f'weft: x.safetensors: tensor "{name}" is float32', outcome.stderr)

    def test_parameters_that_are_no_numbers_are_warned_of_and_nothing_starts_from_them(self):
        for odd, words in ((float("nan"), "-?nan"), (float("inf"), "inf")):
            content = self.changed(data=self.data[:400] + struct.pack("<f", odd) + self.data[404:])
            self.write("x.safetensors", content)
            says = f' number 100 of tensor "0.weight" is {words}: the run that left it diverged'
            self.check(Row("", content, says, 0), "x.safetensors", "eval", "x.safetensors")
            self.check(Row("", content, says + "; take the parameters of another run$"), "x.safetensors", "train", "e.yaml", "-o", "new",
                       "--set", "train.init=x.safetensors")

    def test_a_file_of_format_1_is_read_forever(self):
        golden = os.path.join(weft.ROOT, "tests", "fixtures", "model_format_1.safetensors")
        result = json.loads(self.weft("eval", golden, "--data", "small", "--json").stdout)
        self.assertEqual(result["n"], 20)
        self.assertAlmostEqual(result["loss"], 2.3167428612709045, delta=1e-6)

    def test_what_is_no_file_is_refused_and_never_waited_for(self):
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        for name, says in (("fifo", " is not a regular file$"), ("/dev/zero", " is not a regular file$"), ("nowhere", " cannot open: No such file or directory$")):
            self.check(Row("", None, says), name, "eval", name)
        self.check(Row("", None, " cannot open: No such file or directory$"), "folder/model.safetensors", "eval", "folder")


weft.main()
