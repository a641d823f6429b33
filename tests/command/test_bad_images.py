#!/usr/bin/python3
"""PNG and JPEG files that are broken, hostile or odd: what weft predict says of each, and that nothing is lost. Every bit and every prefix of
a small one, which would be thousands of processes, are in tests/test_image.c."""
import os
import struct
import zlib

import bad
import pictures
import small
from bad import Row
import weft

ROWS = [[(7 * x + 11 * y) % 256 for x in range(28)] for y in range(28)]
LINES = zlib.compress(pictures.scanlines(ROWS))
DATA, END, PLTE = (b"IDAT", LINES), pictures.END, (b"PLTE", bytes(768))
HEAD, PALETTE = pictures.header(28, 28), pictures.header(28, 28, 3)
PNG = pictures.png(HEAD, DATA, END)
JPEG = pictures.jpeg(ROWS)
FRAME = JPEG.index(b"\xff\xc0")  # length, depth, height, width
SCAN = JPEG.index(b"\xff\xda")
AGAIN = "; fetch or save it again$"


def with_header(**changes):
    return pictures.png(pictures.header(28, 28, **changes), DATA, END)


def wrong(text):
    return [rf" byte \d+: damaged PNG: .*{text}", AGAIN]


def sized(height, width):
    return JPEG[:FRAME + 5] + struct.pack(">HH", height, width) + JPEG[FRAME + 9:]


BAD_PNG = [
    Row("65535 x 65535 in 100 bytes", pictures.png(pictures.header(65535, 65535, 6, 16), (b"IDAT", bytes(100)), END), " truncated: 65535 x 65535 pixels cannot be in"),
    Row("2^31 - 1 pixels each way", pictures.png(pictures.header(2 ** 31 - 1, 2 ** 31 - 1), DATA, END), wrong("IHDR")),
    Row("a claim of 64 MiB", pictures.png(pictures.header(8192, 8192), DATA, END), " truncated: 8192 x 8192 pixels cannot be in"),
    Row("a claim of a million columns", pictures.png(pictures.header(1000000, 60, 6, 16), DATA, END), " truncated: 1000000 x 60 pixels cannot be in"),
    Row("too many pixels, all there", pictures.png(pictures.header(2 ** 17, 2 ** 10), (b"IDAT", zlib.compress(bytes((2 ** 17 + 1) * 2 ** 10))), END),
        " it is 131072 x 1024 pixels; up to 67108864 in all are read: make it smaller$"),
    Row("no width", pictures.png(pictures.header(0, 28), DATA, END), wrong("IHDR")),
    Row("no height", pictures.png(pictures.header(28, 0), DATA, END), wrong("IHDR")),
    *(Row(f"colour type {colour} of depth {depth}", with_header(colour=colour, depth=depth), wrong("IHDR")) for colour, depth in
      ((2, 1), (2, 2), (2, 4), (3, 16), (4, 1), (4, 2), (4, 4), (6, 1), (6, 2), (6, 4), (1, 8), (5, 8), (7, 8), (9, 8), (0, 0), (0, 3), (0, 32), (0, 99))),
    Row("compression 1", with_header(compression=1), wrong("IHDR")),
    Row("filter method 1", with_header(filters=1), wrong("IHDR")),
    Row("interlace 2", with_header(interlace=2), wrong("IHDR")),
    Row("no header", pictures.png(DATA, END), wrong("")),
    Row("two headers", pictures.png(HEAD, HEAD, DATA, END), wrong("IHDR")),
    Row("a header of 12 bytes", pictures.png((b"IHDR", HEAD[1][:12]), DATA, END), wrong("")),
    Row("no palette", pictures.png(PALETTE, DATA, END), wrong("PLTE")),
    Row("a palette twice", pictures.png(PALETTE, PLTE, PLTE, DATA, END), wrong("PLTE")),
    Row("a palette behind the data", pictures.png(PALETTE, DATA, PLTE, END), wrong("PLTE")),
    Row("a palette of 767 bytes", pictures.png(PALETTE, (b"PLTE", bytes(767)), DATA, END), wrong("PLTE")),
    Row("a palette of 257 colours", pictures.png(PALETTE, (b"PLTE", bytes(771)), DATA, END), wrong("PLTE")),
    Row("a palette of no colours", pictures.png(PALETTE, (b"PLTE", b""), DATA, END), wrong("palette")),
    Row("a palette of grey", pictures.png(HEAD, PLTE, DATA, END), wrong("PLTE")),
    Row("data in two places", pictures.png(HEAD, (b"IDAT", LINES[:50]), (b"tEXt", b"a\0b"), (b"IDAT", LINES[50:]), END), wrong("Not enough")),
    *(Row(f"filter type {kind}", pictures.png(HEAD, (b"IDAT", zlib.compress(pictures.scanlines(ROWS, filter_type=kind))), END), wrong("filter")) for kind in (5, 6, 128, 255)),
    Row("27 rows of 28", pictures.png(HEAD, (b"IDAT", zlib.compress(pictures.scanlines(ROWS[:27]))), END), wrong("data")),
    Row("data that are no zlib", pictures.png(HEAD, (b"IDAT", b"\0" * 100), END), wrong("")),
    Row("data of a wrong sum", pictures.png(HEAD, (b"IDAT", LINES[:-1] + bytes([LINES[-1] ^ 1])), END), wrong("")),
    Row("carriage returns lost", PNG.replace(b"\r\n", b"\n"), " byte 0: its signature is damaged, as by a transfer as text; fetch the file again"),
    Row("line feeds doubled", PNG.replace(b"\n", b"\r\n"), " byte 0: its signature is damaged, as by a transfer as text; fetch the file again"),
    Row("seven bits", bytes([PNG[0] & 127]) + PNG[1:], " byte 0: its signature is damaged, as by a transfer as text; fetch the file again"),
    Row("a wrong sum of the header", PNG[:29] + bytes([PNG[29] ^ 1]) + PNG[30:], wrong("IHDR: CRC error")),
    Row("a wrong sum of the data", PNG[:-13] + bytes([PNG[-13] ^ 1]) + PNG[-12:], wrong("IDAT: CRC error")),
    Row("a chunk of 4 GiB", pictures.SIGNATURE + pictures.chunk(*HEAD) + struct.pack(">I", 0xFFFFFFFF) + b"IDAT" + LINES, wrong("")),
    Row("a name that is none", pictures.png(HEAD, (b"I\0\1\2", b""), DATA, END), wrong("")),
    Row("no data", pictures.png(HEAD, END), wrong("IEND")),
    Row("a critical chunk nobody knows", pictures.png(HEAD, (b"WeFT", b"?"), DATA, END), wrong("critical")),
    Row("no end", pictures.png(HEAD, DATA), wrong("truncated")),
    Row("half", PNG[:len(PNG) // 2], wrong("truncated")),
    Row("the signature alone", PNG[:8], wrong("truncated")),
]

DAMAGED = [" damaged JPEG: .", AGAIN]
BAD_JPEG = [
    Row("the first bytes alone", JPEG[:3], DAMAGED),
    Row("no scan", JPEG[:SCAN], DAMAGED),
    Row("half a scan", JPEG[:(SCAN + len(JPEG)) // 2], DAMAGED),
    Row("a scan of nothing", JPEG[:SCAN + 10], DAMAGED),
    Row("zeros as a scan", JPEG[:SCAN + 10] + bytes(300), DAMAGED),
    Row("no frame", JPEG[:FRAME] + JPEG[SCAN:], DAMAGED),
    Row("no tables", JPEG[:2] + JPEG[FRAME:FRAME + 2 + struct.unpack_from(">H", JPEG, FRAME + 2)[0]] + JPEG[SCAN:], DAMAGED),
    Row("a segment past the end", JPEG[:4] + b"\xff\xff" + JPEG[6:30], DAMAGED),
    Row("no width", sized(28, 0), DAMAGED),
    Row("no height", sized(0, 28), DAMAGED),
    Row("65500 pixels each way", sized(65500, 65500), " it is 65500 x 65500 pixels; up to 67108864 in all are read: make it smaller$"),
    Row("a claim of 64 MiB", sized(8192, 8192), DAMAGED),
    Row("a depth of 12 bits", JPEG[:FRAME + 4] + b"\x0c" + JPEG[FRAME + 5:], DAMAGED),
    Row("a frame that nobody reads", JPEG[:FRAME] + b"\xff\xc3" + JPEG[FRAME + 2:], DAMAGED),
    Row("start markers without end", b"\xff\xd8" * 50000, " is no picture that can be read|damaged JPEG"),
    Row("fill bytes without end", b"\xff\xd8\xff" + b"\xff" * 100000, DAMAGED),
    Row("a hundred thousand empty segments", b"\xff\xd8" + b"\xff\xe1\0\2" * 100000, DAMAGED),
    Row("scans without end", JPEG[:-2] + JPEG[SCAN:-2] * 2000, DAMAGED),
]

OTHERS = [
    Row("nothing", b"", " is empty; wanted is a picture: JPEG, PNG$"),
    Row("a GIF", b"GIF89a" + bytes(100), " is no picture that can be read; its content would tell: JPEG, PNG$"),
    Row("a WebP", b"RIFF\0\0\0\0WEBPVP8 " + bytes(100), " is no picture that can be read; its content would tell: JPEG, PNG$"),
    Row("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", " is no picture that can be read; its content would tell: JPEG, PNG$"),
    Row("a terminal's control words", b"\x1b[2J\x1b]0;title\x07", " is no picture that can be read; its content would tell: JPEG, PNG$"),
    Row("a gigabyte of zeros", None, r" has 1073741824 bytes, more than the limit of 268435456"),
]


class Files(bad.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"), 60, 20)
        self.write("e.yaml", "data: {set: ./set, scale: 255}\nmodel: [linear 10]\ntrain: {epochs: 1}\n")
        self.weft("train", "e.yaml", "-o", "run", "-q")
        self.write("x", PNG)
        self.learn_idle("predict", "run", "x")

    def check_all(self, rows):
        for row in rows:
            with self.subTest(row.what):
                self.write("x", row.content or b"")
                if row.content is None:
                    os.truncate(self.path("x"), 1 << 30)
                self.check(row, "x", "predict", "run", "x")
                if row.content:
                    with open(self.path("x"), "rb") as stream:
                        self.check(row, "standard input", "predict", "run", "-", stdin=stream)

    def test_bad_png_files_are_refused(self):
        self.check_all(BAD_PNG)

    def test_bad_jpeg_files_are_refused(self):
        self.check_all(BAD_JPEG)

    def test_what_is_no_picture_is_refused(self):
        self.check_all(OTHERS)

    def test_a_stream_without_end_is_refused(self):
        with open("/dev/zero", "rb") as zeros:
            outcome = self.measure("predict", "run", "-", stdin=zeros)
        self.assertEqual((outcome.code, outcome.stderr), (2, "weft: standard input: has more bytes than the limit of 268435456\n"))

    def test_what_is_no_file_is_refused_and_never_waited_for(self):
        os.mkfifo(self.path("fifo"))
        os.mkdir(self.path("folder"))
        os.symlink("nowhere", self.path("link"))
        for name, says in (("fifo", " is not a regular file$"), ("folder", " is a directory, not a file$"), ("link", " cannot open: No such file or directory$"),
                           ("/dev/zero", " is not a regular file$"), ("nowhere", " cannot open: No such file or directory$"), ("x" * 300, " cannot open: File name too long$"),
                           ("x/y", " cannot open: Not a directory$")):
            with self.subTest(name[:20]):
                self.check(Row("", None, says), name, "predict", "run", name)

    def test_closed_standard_input_is_refused(self):
        outcome = self.measure("predict", "run", "-", stdin=None, preexec_fn=lambda: os.close(0))
        self.assertEqual((outcome.code, outcome.stdout, outcome.stderr), (1, "", "weft: standard input: cannot read: Bad file descriptor\n"))


weft.main()
