#!/usr/bin/python3
"""IDX files that are broken, hostile or odd, as images or labels of a data set: what the command says of each, and that nothing is lost."""
import gzip
import os
import socket
import struct

import bad
import small
import weft
from bad import MIB, Row

IMAGES, LABELS = small.FILES["train"]
TEST_IMAGES, TEST_LABELS = small.FILES["test"]
N, SIDE = 60, 28


def idx(dims, data, kind=8):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, kind, len(dims), *dims) + data


PIXELS = bytes(range(256)) * (N * SIDE * SIDE // 256 + 1)
GOOD = idx((N, SIDE, SIDE), PIXELS[:N * SIDE * SIDE])
CUT = "fetch the file again$"

BAD_IMAGES = [
    Row("nothing", b"", [" truncated: an IDX file begins with 4 bytes, and here are 0;", CUT]),
    Row("a byte", GOOD[:1], [" truncated: .* here is 1;", CUT]),
    Row("two bytes", GOOD[:2], [" truncated: .* here are 2;", CUT]),
    Row("three bytes", GOOD[:3], [" truncated: .* here are 3;", CUT]),
    Row("no dimensions of three", GOOD[:4], [" truncated: a header of 3 dimensions needs 16 bytes, and here are 4;", CUT]),
    Row("half of the last dimension", GOOD[:14], [" truncated: a header of 3 dimensions needs 16 bytes, and here are 14;", CUT]),
    Row("a header and no data", GOOD[:16], [" truncated: .* needs 47056 bytes, and here are 16;", CUT]),
    Row("a byte too few", GOOD[:-1], [" truncated: .* needs 47056 bytes, and here are 47055;", CUT]),
    Row("a byte too many", GOOD + b"x", [" byte 47056: data after the end:", "--allow-trailing"]),
    Row("twice the file", GOOD + GOOD, [" byte 47056: data after the end:", "--allow-trailing"]),
    *(Row(f"type {kind:#04x}", idx((N, SIDE, SIDE), b"", kind), f" byte 2: unknown type {kind:#04x}; IDX knows 0x08 uint8")
      for kind in (0x00, 0x07, 0x0A, 0x0F, 0xFF)),
    Row("no dimensions", idx((), b""), " byte 3: 0 dimensions; labels have 1, images 2 or more$"),
    Row("255 dimensions in 16 bytes", b"\0\0\x08\xff" + GOOD[4:16], " truncated: a header of 255 dimensions needs 1024 bytes, and here are 16;"),
    Row("255 dimensions, all there", idx((1,) * 255, b"x"), " byte 3: 255 dimensions; up to 8 are read$"),
    Row("9 dimensions", idx((1,) * 9, b"x"), " byte 3: 9 dimensions; up to 8 are read$"),
    Row("more numbers than 64 bits count", idx((0xFFFFFFFF,) * 3, b""), [" byte 4: ", r"\(overflow\)"]),
    Row("a product of 2^64, which is 0", idx((65536,) * 4, b""), [" byte 4: ", r"\(overflow\)"]),
    Row("a product of 2^64 + 2^32, which is small", idx((65536, 65536, 65537, 65536), b""), [" byte 4: ", r"\(overflow\)"]),
    Row("bytes of 2^64, which is 0", idx((1 << 29, 1 << 16, 1 << 16), b"", 0x0E), [" byte 4: ", r"\(overflow\)"]),
    Row("numbers of 2^64 less a header", idx((0xFFFFFFFF, 0xFFFFFFFF), b""), " truncated: "),
    Row("a terabyte", idx((1 << 30, 32, 32), b""), [" truncated: .* needs 1099511627792 bytes", CUT]),
    Row("an eighth of what it claims", idx((N * 8, SIDE, SIDE), GOOD[16:]), [" truncated: ", CUT]),
    *(Row(f"no {what}", idx(dims, b""), f" byte {place}: dimension {which} is 0: the data set is empty")
      for what, dims, place, which in (("images", (0, SIDE, SIDE), 4, 1), ("rows", (N, 0, SIDE), 8, 2), ("columns", (N, SIDE, 0), 12, 3))),
    Row("byte-swapped", b"\3\x08\0\0" + struct.pack("<3I", N, SIDE, SIDE) + GOOD[16:],
        [r" byte 0: the header is byte-swapped \(03 08 00 00\)", "big-endian: 00 00 08 03"]),
    Row("dimensions alone byte-swapped", b"\0\0\x08\3" + struct.pack("<3I", N, SIDE, SIDE) + GOOD[16:], [" byte 4: ", r"\(overflow\)"]),
    Row("a picture", b"\x89PNG\r\n\x1a\n" + bytes(100), " byte 0: not an IDX file: it begins with 89 50 4e 47"),
    Row("a page of the web", b"<!DOCTYPE html><html>404 Not Found</html>", " byte 0: not an IDX file: it begins with 3c 21 44 4f"),
    Row("a ZIP", b"PK\3\4" + bytes(100), " byte 0: not an IDX file: it begins with 50 4b 03 04"),
    Row("an array of numpy", b"\x93NUMPY\1\0" + bytes(100), " byte 0: not an IDX file: it begins with 93 4e 55 4d"),
    Row("a gigabyte of zeros", None, " byte 2: unknown type 0x00"),
    Row("labels", idx((N,), bytes(N)), [" has 1 dimension, images have 2 or more; this looks like a label file: swap it with", LABELS]),
    Row("float32 that is no number", idx((1, 2, 2), struct.pack(">4f", 0, 1, float("nan"), 2), 0x0D), " byte 24: number 2 of sample 0 is -?nan; samples must be finite"),
    Row("float32 without bounds", idx((1, 2, 2), struct.pack(">4f", 0, 1, 2, float("-inf")), 0x0D), " byte 28: number 3 of sample 0 is -inf"),
    Row("float64 beyond float32", idx((1, 2, 2), struct.pack(">4d", 0, 1e39, 1, 2), 0x0E), " byte 24: number 1 of sample 0 is 1e.39"),
]

BAD_LABELS = [
    Row("images", GOOD, [" has 3 dimensions, expected 1 or 2; this looks like an image file: swap it with", IMAGES]),
    Row("one too few", idx((N - 1,), bytes(N - 1)), [" has 59 labels, and", "60 images; each image needs one label"]),
    Row("one too many", idx((N + 1,), bytes(N + 1)), [" has 61 labels, and", "60 images; each image needs one label"]),
    Row("below 0", idx((N,), bytes(N - 1) + b"\xff", 9), " label 59 is -1; labels count from 0"),
    Row("an enormous class", idx((N,), struct.pack(">I", 1 << 30) * N, 0x0C), " label 0 is 1073741824; labels count from 0, up to 65535"),
    Row("numbers that are none", idx((N,), struct.pack(">f", float("nan")) * N, 0x0D), " number 0 of sample 0 is -?nan"),
    Row("labels of several that are 2", idx((N, 2), b"\2" * 2 * N), " label 0 of sample 0 is 2; a label of several is 0 or 1"),
    Row("wide integers in two dimensions", idx((N, 2), struct.pack(">I", 1) * 2 * N, 0x0C), " labels are int32 in 2 dimensions"),
]

BAD_TEST_IMAGES = [
    Row("another size", idx((20, 32, 32), bytes(20 * 1024)), [" shape mismatch: samples are .*32, 32", "28, 28"]),
    Row("another type", idx((20, SIDE, SIDE), bytes(4 * 20 * SIDE * SIDE), 0x0D), " type mismatch: samples are float32, and those of .* are uint8"),
]
BAD_TEST_LABELS = [
    Row("a class that training never has", idx((20,), b"\x0b" * 20), " class 11 occurs 20 times in the test labels, and never in training's"),
    Row("another task", idx((20,), bytes(80), 0x0D), " holds numbers, and .* holds one class a sample; they must agree"),
]


class Files(bad.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"), N, 20)
        self.write("e.yaml", "data: {set: ./set}\nmodel: [linear 10]\ntrain: {epochs: 1}\n")
        self.learn_idle("data", "info", "./set")

    def put(self, name, row):
        if row.content is None:
            with open(self.path("set", name), "wb") as file:
                file.truncate(1 << 30)
        else:
            self.write("set/" + name, row.content)

    def check_all(self, name, rows):
        good = self.read("set", name)
        for row in rows:
            with self.subTest(row.what, file=name):
                self.put(name, row)
                self.check(row, "./set/" + name, "data", "info", "./set")
                self.check(row, "./set/" + name, "train", "e.yaml", "-o", "run")
        self.write("set/" + name, good)
        self.check(Row("the good one again", None, code=0), "", "data", "info", "./set")

    def test_bad_images_are_refused(self):
        self.check_all(IMAGES, BAD_IMAGES)

    def test_bad_labels_are_refused(self):
        self.check_all(LABELS, BAD_LABELS)

    def test_a_test_set_that_does_not_fit_is_refused(self):
        self.check_all(TEST_IMAGES, BAD_TEST_IMAGES)
        self.check_all(TEST_LABELS, BAD_TEST_LABELS)

    def test_the_content_tells_what_a_file_is_not_its_name(self):
        plain = self.weft("data", "info", "./set").stdout
        for name in (IMAGES, LABELS):
            content = self.read("set", name)
            for named, written in ((name, gzip.compress(content)), (name + ".gz", content), (name + ".gz", gzip.compress(content))):
                with self.subTest(named):
                    os.remove(self.path("set", name)) if self.exists("set", name) else None
                    self.write("set/" + named, written)
                    shown = self.check(Row("", None, code=0), "", "data", "info", "./set").stdout
                    self.assertEqual(shown.split("files, SHA-256")[0], plain.split("files, SHA-256")[0])
            os.remove(self.path("set", name + ".gz"))
            self.write("set/" + name, content)

    def test_data_after_the_end_is_passed_over_where_that_is_allowed(self):
        for more in (b"x", GOOD, bytes(MIB)):
            self.write("set/" + IMAGES, GOOD + more)
            row = Row("", None, f" byte {len(GOOD)}: data after the end is passed over", 0)
            self.check(row, "./set/" + IMAGES, "data", "info", "./set", "--allow-trailing")

    def test_what_is_no_file_is_refused_and_never_waited_for(self):
        path = self.path("set", IMAGES)

        def listen():
            listener = socket.socket(socket.AF_UNIX)
            self.addCleanup(listener.close)
            here = os.getcwd()
            os.chdir(self.path("set"))  # a socket's path is short
            listener.bind(IMAGES)
            os.chdir(here)
        ways = [
            ("a FIFO that nobody writes", lambda: os.mkfifo(path), " is not a regular file"),
            ("a folder", lambda: os.mkdir(path), " is a directory, not a file"),
            ("a link to nothing", lambda: os.symlink("nowhere", path), " cannot open: No such file or directory"),
            ("a link to itself", lambda: os.symlink(IMAGES, path), " cannot open: Too many levels of symbolic links"),
            ("a link to zeros without end", lambda: os.symlink("/dev/zero", path), " is not a regular file"),
            ("a link to the terminal", lambda: os.symlink("/dev/tty", path), " (is not a regular file|cannot open: .*)"),
            ("a link to its own memory", lambda: os.symlink("/proc/self/mem", path), " truncated: "),
            ("a socket", listen, " cannot open: .*"),
        ]
        for what, make, says in ways:
            with self.subTest(what):
                os.rmdir(path) if os.path.isdir(path) else os.remove(path)
                make()
                outcome = self.measure("data", "info", "./set")
                self.assertRegex(outcome.stderr, rf"^weft: \./set/{IMAGES}:{says}")
                self.assertEqual((outcome.code, outcome.stdout), (2, ""), outcome)
                self.assert_little_memory(outcome, 0)

    def test_a_file_without_permission_is_refused(self):
        other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        os.chmod(self.folder, 0o755)
        os.chmod(self.path("set", IMAGES), 0)
        try:
            outcome = self.measure("data", "info", "./set", **other)
        except PermissionError as error:
            self.skipTest(str(error))
        self.assertEqual((outcome.code, outcome.stderr), (2, f"weft: ./set/{IMAGES}: cannot open: Permission denied\n"))

    def test_links_that_lead_to_good_files_are_followed(self):
        os.rename(self.path("set", IMAGES), self.path("elsewhere"))
        os.symlink("../elsewhere", self.path("set", IMAGES))
        self.check(Row("", None, code=0), "", "data", "info", "./set")


weft.main()
