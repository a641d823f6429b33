#!/usr/bin/python3
"""Arrays of numpy that are broken, hostile or odd, as samples of a data set: what the command says of each, and that nothing is lost."""
import pickle
import struct

import bad
import weft
from bad import Row

N, SIDE = 60, 5


def head(descr="|u1", shape="(60, 5)", order="False"):
    return f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}"


def npy(header=None, data=bytes(N * SIDE), version=1, length=None, end="\n"):
    words = (head() if header is None else header).encode() + end.encode()
    size = struct.pack("<H" if version == 1 else "<I", len(words) if length is None else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + words + data


GOOD = npy()
SHORT = npy(data=b"")[:80]
GRAMMAR = r" byte 10: the header is no dictionary of 'descr' \(one type\), 'fortran_order' and 'shape' \(up to 8 dimensions\), once each, and a newline$"
AGAIN = "save it again$|fetch the file again$"
OBJECTS = " holds Python objects, which are programs and never loaded; save an array of numbers"

BAD = [
    Row("nothing", b"", " byte 0: not a .npy file: it does not begin with"),
    *(Row(f"{n} bytes", GOOD[:n], " byte 0: not a .npy file") for n in (1, 6, 8, 11)),
    *(Row(f"{n} bytes", GOOD[:n], [" truncated: a header of", AGAIN]) for n in (12, 40, 60)),
    Row("a header and no data", npy(data=b""), [" truncated: .* of uint8 needs", AGAIN]),
    Row("a byte too few", GOOD[:-1], [" truncated: .* of uint8 needs", AGAIN]),
    Row("a byte too many", GOOD + b"x", [r" byte \d+: data after the end", "--allow-trailing"]),
    Row("a ZIP: an .npz that was renamed", b"PK\3\4" + bytes(100), " byte 0: not a .npy file"),
    Row("a damaged magic", b"\x92" + GOOD[1:], " byte 0: not a .npy file"),
    *(Row(f"version {version}", npy(version=version), rf" byte 6: version {version}.0; read are 1.0 and 2.0") for version in (0, 3, 4, 255)),
    Row("a header of no bytes", npy(length=0), GRAMMAR),
    Row("a header of 65,535 bytes in 80", npy(length=65535)[:80], [" truncated: a header of 65535 bytes needs 65545, and here are 80;", AGAIN]),
    Row("a header of 4 GiB in 80 bytes", npy(version=2, length=0xFFFFFFFF)[:80], " byte 8: a header of 4294967295 bytes; up to 65536 are read$"),
    Row("no newline behind the header", npy(end=""), GRAMMAR),
    Row("no dictionary: a list", npy("[1, 2]"), GRAMMAR),
    Row("no dictionary: nothing", npy(""), GRAMMAR),
    Row("no dictionary: two", npy(head() + head()), GRAMMAR),
    Row("an unknown key", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (60, 5), 'extra': False}"), GRAMMAR),
    Row("no descr", npy("{'fortran_order': False, 'shape': (60, 5)}"), GRAMMAR),
    Row("no fortran_order", npy("{'descr': '|u1', 'shape': (60, 5)}"), GRAMMAR),
    Row("no shape", npy("{'descr': '|u1', 'fortran_order': False}"), GRAMMAR),
    Row("descr twice", npy("{'descr': '|u1', 'descr': '<f8', 'fortran_order': False, 'shape': (60, 5)}"), GRAMMAR),
    Row("shape twice", npy("{'descr': '|u1', 'shape': (6, 5), 'fortran_order': False, 'shape': (60, 5)}"), GRAMMAR),
    Row("code behind the dictionary", npy(head() + " or __import__('os').system('touch owned')"), GRAMMAR),
    Row("code as a shape", npy(head(shape="__import__('os').system('touch owned')")), GRAMMAR),
    Row("code as a boolean", npy(head(order="print('owned')")), GRAMMAR),
    Row("a sum as a dimension", npy(head(shape="(59+1, 5)")), GRAMMAR),
    Row("a negative dimension", npy(head(shape="(-60, 5)")), GRAMMAR),
    Row("a fraction as a dimension", npy(head(shape="(60.0, 5)")), GRAMMAR),
    Row("a hexadecimal dimension", npy(head(shape="(0x3c, 5)")), GRAMMAR),
    Row("a dimension of text", npy(head(shape="('60', 5)")), GRAMMAR),
    Row("a dimension beyond 64 bits", npy(head(shape="(18446744073709551616, 5)")), GRAMMAR),
    Row("9 dimensions", npy(head(shape="(60, 5, 1, 1, 1, 1, 1, 1, 1)")), GRAMMAR),
    Row("brackets, 20,000 deep", npy(head(shape="(" * 20000)), GRAMMAR),
    Row("a structure of fields", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (60,)}"), GRAMMAR),
    Row("a zero byte in a key", npy(head().replace("descr", "desc\0")), GRAMMAR),
    Row("a zero byte behind the dictionary", npy(head() + "\0"), GRAMMAR),
    Row("objects", npy(head("|O"), pickle.dumps([1, 2, 3])), OBJECTS),
    Row("objects, in another order", npy(head("<O"), pickle.dumps([1, 2, 3])), OBJECTS),
    *(Row(f"numbers of type {descr}", npy(head(descr), bytes(16 * N * SIDE)), rf' its numbers are ".*"; read are bool, uint8')
      for descr in ("<c8", "<U4", "|S4", "|V4", "<M8[s]", "<f2", "<f16", "<u4", "<u8", "|f4", "f4", "<i3", "<", "", "?f4", "\x1b[2J")),
    Row("a descr of 100 letters", npy(head("<f4" * 33)), GRAMMAR),
    Row("32 GiB in 80 bytes", npy(head("<f8", "(65536, 65536)"))[:80], [" truncated: ", AGAIN]),
    Row("a product beyond 64 bits", npy(head("|u1", "(4294967296, 4294967297)")), [r" byte 10: .*\(overflow\)$"]),
    Row("a product of 2^64, which is 0", npy(head("|u1", "(4294967296, 4294967296)")), [r" byte 10: .*\(overflow\)$"]),
    Row("bytes beyond 64 bits", npy(head("<f8", "(2305843009213693952, 5)")), [r" byte 10: .*\(overflow\)$"]),
    Row("no samples", npy(head(shape="(0, 5)")), " byte 10: dimension 1 is 0: the data set is empty$"),
    Row("samples of nothing", npy(head(shape="(60, 0)")), " byte 10: dimension 2 is 0: the data set is empty$"),
    Row("a single number", npy(head(shape="()"), b"x"), " has 0 dimensions, images have 2 or more"),
    Row("labels", npy(head(shape="(60,)"), bytes(60)), [" has 1 dimension, images have 2 or more; this looks like a label file: swap it with", "y_train.npy"]),
    Row("a number that is none", npy(head("<f4"), struct.pack("<f", float("nan")) * N * SIDE), r" byte \d+: number 0 of sample 0 is -?nan; samples must be finite"),
    Row("a number too large for float32", npy(head("<f8"), struct.pack("<d", 1e300) * N * SIDE), r" byte \d+: number 0 of sample 0 is 1e\+300; samples must be"),
    *(Row(f"the whole number {number}", npy(head(f"{order}i8"), struct.pack(f"{order}q", number) * N * SIDE), r" byte \d+: number 0 of sample 0 is .*from 2\^53 on")
      for order in "<>" for number in (2 ** 53 + 1, -2 ** 53 - 1, 2 ** 63 - 1)),
]

NUMBERS = [[(7 * i + j) % 120 for j in range(SIDE)] for i in range(N)]
FLAT = [v for row in NUMBERS for v in row]
COLUMNS = [NUMBERS[i][j] for j in range(SIDE) for i in range(N)]


def packed(descr, numbers=FLAT):
    letter = {"u1": "B", "b1": "B", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "f4": "f", "f8": "d"}[descr[1:]]
    return struct.pack(f"{descr[0].replace('|', '<')}{len(numbers)}{letter}", *numbers)


SOUND = [
    *(Row(descr, npy(head(descr), packed(descr)), code=0) for descr in
      ("|i1", "<i1", "<i2", ">i2", "=i2", "<i4", ">i4", "<i8", ">i8", "<f4", ">f4", "=f4", "<f8", ">f8")),
    Row("Fortran order", npy(head("<f4", order="True"), packed("<f4", COLUMNS)), code=0),
    Row("Fortran order, big-endian", npy(head(">i4", order="True"), packed(">i4", COLUMNS)), code=0),
    Row("version 2", npy(head("<f4"), packed("<f4"), version=2), code=0),
    Row("a long header", npy(head("<f4") + " " * 60000, packed("<f4")), code=0),
]


class Files(bad.Case):
    def setUp(self):
        super().setUp()
        self.name = "./set/x_train.npy"
        for part, n in (("train", N), ("test", 20)):
            self.write(f"set/x_{part}.npy", npy(head(shape=f"({n}, 5)"), bytes(n * SIDE)))
            self.write(f"set/y_{part}.npy", npy(head(shape=f"({n},)"), bytes([k % 3 for k in range(n)])))
        self.write("e.yaml", "data: {set: ./set}\nmodel: [linear 3]\ntrain: {epochs: 1}\n")
        self.learn_idle("data", "info", "./set")

    def test_bad_arrays_are_refused_and_nothing_in_them_is_run(self):
        for row in BAD:
            with self.subTest(row.what):
                self.write(self.name, row.content)
                self.check(row, self.name, "data", "info", "./set")
                self.check(row, self.name, "train", "e.yaml", "-o", "run")

    def test_every_order_and_type_says_the_same(self):
        self.write("set/x_test.npy", npy(head("<f4", "(20, 5)"), packed("<f4")[:20 * SIDE * 4]))
        results = set()
        for row in SOUND:
            with self.subTest(row.what):
                descr = row.content.split(b"'")[3].decode()
                self.write("set/x_test.npy", npy(head(descr, "(20, 5)"), packed(descr, FLAT[:20 * SIDE])))
                self.write(self.name, row.content)
                self.check(row, self.name, "data", "info", "./set")
                self.weft("train", "e.yaml", "-o", "run", "-q", "--force")
                results.add(weft.hash_tensors(self.path("run", "model.safetensors")))
        self.assertEqual(len(results), 1)


weft.main()
