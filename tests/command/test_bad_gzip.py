#!/usr/bin/python3
"""gzip files that are broken, hostile or odd, as images of a data set: what the command says of each, and that nothing is lost. Every bit
and every prefix of a small file, which would be thousands of processes, are in tests/test_data_bad.c."""
import gzip
import struct
import zlib

import bad
import small
import weft
from bad import MIB, Row

IMAGES, LABELS = small.FILES["train"]
N, SIDE = 60, 28
CUT = "fetch the file again$"


def head(*dims):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, 8, len(dims), *dims)


CONTENT = head(N, SIDE, SIDE) + bytes(range(256)) * 183 + bytes(N * SIDE * SIDE - 183 * 256)
GOOD = gzip.compress(CONTENT, mtime=0)


def changed(at, value):
    content = bytearray(GOOD)
    content[at] = value
    return bytes(content)


def member(blocks, content=CONTENT, flags=0, extra=b""):
    """By hand: a header with flags and what they announce, deflate data, the trailer of what they should hold."""
    return bytes([0x1F, 0x8B, 8, flags, 0, 0, 0, 0, 0, 3]) + extra + blocks + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)


def stored(data, last=True):
    return struct.pack("<BHH", last, len(data), 0xFFFF ^ len(data)) + data


BLOCKS = stored(CONTENT[:40000], False) + stored(CONTENT[40000:])


def bits(*fields):
    """Deflate data of (value, width) from the lowest bit on; of a negative width, from the highest."""
    text = "".join(f"{value:0{abs(width)}b}"[::1 if width < 0 else -1] for value, width in fields)
    text = text.ljust((len(text) + 7) // 8 * 8, "0")
    return bytes(int(text[i:i + 8][::-1], 2) for i in range(0, len(text), 8))


def fixed(*fields):
    """The last block, of the fixed codes, with its end."""
    return member(bits((1, 1), (1, 2), *fields, (0, -7)))


def zeros(n, before=b""):
    """Compressed to a thousandth."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([packer.compress(before), *(packer.compress(bytes(MIB)) for _ in range(n // MIB)), packer.flush()])


A, NEAREST = (0x30 + ord("a"), -8), (1, -7)  # a letter; a match of length 3, before its distance
DAMAGED = r" byte \d+: damaged gzip data: "

BAD = [
    Row("the magic alone", GOOD[:2], [" truncated: the gzip data goes on past the end, 2 bytes;", CUT]),
    Row("half a header", GOOD[:9], [" truncated: ", CUT]),
    Row("a header and no data", GOOD[:10], [" truncated: ", CUT]),
    Row("half the file", GOOD[:len(GOOD) // 2], [" truncated: ", CUT]),
    Row("no checksum", GOOD[:-8], [" truncated: ", CUT]),
    Row("a byte too few", GOOD[:-1], [" truncated: ", CUT]),
    *(Row(f"reserved flag {flag:#04x}", changed(3, flag), [DAMAGED + "unknown header flags set;", CUT]) for flag in (0x20, 0x40, 0x80, 0xE0)),
    *(Row(f"method {method}", changed(2, method), [DAMAGED + "unknown compression method;", CUT]) for method in (0, 7, 9, 255)),
    Row("a wrong sum", changed(len(GOOD) - 8, GOOD[-8] ^ 1), [DAMAGED + "incorrect data check;", CUT]),
    Row("a wrong length", changed(len(GOOD) - 4, GOOD[-4] ^ 1), [DAMAGED + "incorrect length check;", CUT]),
    Row("a length that claims 4 GiB", GOOD[:-4] + b"\xff" * 4, [DAMAGED + "incorrect length check;", CUT]),
    Row("an extra field past the end", member(BLOCKS, flags=4, extra=b"\xff\xff")[:1000], [" truncated: ", CUT]),
    Row("a name without an end", member(b"x" * 1000, flags=8), [" (truncated|byte)", CUT]),
    Row("a wrong sum of the header", member(BLOCKS, flags=2, extra=b"\0\0"), [DAMAGED + "header crc mismatch;", CUT]),
    Row("block type 3", member(b"\7"), [DAMAGED + "invalid block type;", CUT]),
    Row("a stored block whose lengths disagree", member(b"\1\1\0\0\0x"), [DAMAGED + "invalid stored block lengths;", CUT]),
    Row("a stored block past the end", member(b"\1\xff\xff\0\0x"), [" truncated: ", CUT]),
    Row("a match before the first byte", fixed(NEAREST, (0, -5)), [DAMAGED + "invalid distance too far back;", CUT]),
    Row("a match one byte before the first", fixed(A, NEAREST, (1, -5)), [DAMAGED + "invalid distance too far back;", CUT]),
    *(Row(f"distance code {code}", fixed(A, NEAREST, (code, -5)), [DAMAGED + "invalid distance code;", CUT]) for code in (30, 31)),
    *(Row(f"length code {code}", fixed(A, (0xC0 + code - 280, -8)), [DAMAGED + "invalid literal/length code;", CUT]) for code in (286, 287)),
    Row("too many codes", member(bits((1, 1), (2, 2), (31, 5), (0, 5), (0, 4))), [DAMAGED + "too many length or distance symbols;", CUT]),
    Row("gzip in gzip", gzip.compress(GOOD), " gzip inside gzip, of which one layer is unpacked; gunzip the file once$"),
    Row("a bomb in a bomb", gzip.compress(zeros(64 * MIB)), " gzip inside gzip, of which one layer is unpacked; gunzip the file once$"),
    Row("rubbish behind", GOOD + b"rubbish", rf" byte {len(GOOD)}: what follows the gzip data is not gzip; cut it off$"),
    Row("padding and then rubbish", GOOD + bytes(100) + b"x", rf" byte {len(GOOD) + 100}: what follows the gzip data is not gzip; cut it off$"),
    Row("a second member cut short", GOOD + GOOD[:20], " byte 47056: data after the end|truncated"),
    Row("content of another kind", gzip.compress(b"hello, world"), " byte 0: not an IDX file: it begins with 68 65 6c 6c"),
    Row("content of nothing", gzip.compress(b""), [" truncated: an IDX file begins with 4 bytes, and here are 0;"]),
    Row("content cut short", gzip.compress(CONTENT[:-1]), [" truncated: .* needs 47056 bytes, and here are 47055;", CUT]),
    Row("a byte of content too many", gzip.compress(CONTENT + b"x"), [" byte 47056: data after the end:", "--allow-trailing"]),
    Row("a bomb behind what the header says", zeros(64 * MIB, CONTENT), [" byte 47056: data after the end: .* and here are at least", "--allow-trailing"]),
    Row("a bomb that claims 10 GB", zeros(64 * MIB, head(10000, 1000000)), [" (holds more than|truncated: )"]),
    Row("a bomb of no IDX", zeros(128 * MIB), " byte 2: unknown type 0x00"),
    Row("a bomb whose sum is wrong", zeros(128 * MIB, head(128, MIB))[:-8] + bytes(8), [DAMAGED + "incorrect data check;", CUT]),
    Row("compress, not gzip", b"\x1f\x9d\x90" + bytes(100), " byte 0: not an IDX file: it begins with 1f 9d 90 00"),
    Row("bzip2", b"BZh91AY&SY" + bytes(100), " byte 0: not an IDX file: it begins with 42 5a 68 39"),
    Row("zlib without gzip", zlib.compress(CONTENT), " byte 0: not an IDX file: it begins with 78 9c"),
]

SOUND = [
    Row("as usual", GOOD, code=0),
    Row("stored", member(BLOCKS), code=0),
    Row("two members", gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:]), code=0),
    Row("a member for each of a hundred pieces", b"".join(gzip.compress(CONTENT[i:i + 471]) for i in range(0, len(CONTENT), 471)), code=0),
    Row("an empty member in front and behind", gzip.compress(b"") + GOOD + gzip.compress(b""), code=0),
    Row("all that a header can have", member(BLOCKS, flags=4 + 8 + 16, extra=b"\3\0abcname\0a comment\0"), code=0),
    Row("a time and a system", changed(4, 77), code=0),
    Row("a million empty blocks", member(stored(b"", False) * 1_000_000 + BLOCKS), code=0),
    Row("padding of tapes", GOOD + bytes(512), rf" byte {len(GOOD)}: 512 zero bytes after the gzip data, as padding of tapes, are passed over", 0),
]


class Files(bad.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"), N, 20)
        self.write("e.yaml", "data: {set: ./set}\nmodel: [linear 10]\ntrain: {epochs: 1}\n")
        self.learn_idle("data", "info", "./set")
        self.name = "./set/" + IMAGES

    def test_bad_files_are_refused(self):
        for row in BAD:
            with self.subTest(row.what):
                self.write(self.name, row.content)
                self.check(row, self.name, "data", "info", "./set")
                self.check(row, self.name, "train", "e.yaml", "-o", "run")

    def test_legal_files_are_read_as_the_plain_one(self):
        self.write(self.name, CONTENT)
        plain = self.weft("data", "info", "./set").stdout.split("files, SHA-256")[0]
        for row in SOUND:
            with self.subTest(row.what):
                self.write(self.name, row.content)
                self.assertEqual(self.check(row, self.name, "data", "info", "./set").stdout.split("files, SHA-256")[0], plain)

    def test_the_limit_is_named_with_what_moves_it(self):
        limit = {"WEFT_MAX_BYTES": str(MIB)}
        row = Row("", None, [f" holds more than {MIB} bytes, the limit of a file", "WEFT_MAX_BYTES sets no other$"])
        for content in (zeros(64 * MIB, head(64, MIB)), zeros(2 * MIB, head(10000, 1000000)), head(2, MIB) + bytes(2 * MIB)):
            self.write(self.name, content)
            self.check(row, self.name, "data", "info", "./set", env=limit)
            self.check(row, self.name, "train", "e.yaml", "-o", "run", env=limit)
        self.write(self.name, head(2, 1 << 21) + bytes(1 << 22))
        self.write("set/" + LABELS, head(2) + b"\0\1")
        for name in small.FILES["test"]:
            self.write("set/" + name, head(2, 1 << 21) + bytes(1 << 22) if "images" in name else head(2) + b"\0\1")
        self.check(row, self.name, "data", "info", "./set", env=limit)
        self.check(Row("", None, code=0), "", "data", "info", "./set", env={"WEFT_MAX_BYTES": str(5 * MIB)})
        for value in ("0", "-1", "many", "1e9", "18446744073709551616", " 5"):
            row = Row("", None, f' is "{value}"; it takes the bytes')
            self.check(row, "WEFT_MAX_BYTES", "data", "info", "./set", env={"WEFT_MAX_BYTES": value})


weft.main()
