"""PNG and JPEG files for tests: PNG made here, part by part, so that every part can be wrong; JPEG by libjpeg-turbo."""
import ctypes
import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = (b"IEND", b"")
NUMBERS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, steps of them


def chunk(name, data, length=None):
    return struct.pack(">I", len(data) if length is None else length) + name + data + struct.pack(">I", zlib.crc32(name + data))


def header(width, height, colour=0, depth=8, compression=0, filters=0, interlace=0):
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, compression, filters, interlace)


def png(*chunks):
    return SIGNATURE + b"".join(chunk(*one) for one in chunks)


def scanlines(rows, depth=8, filter_type=0):
    """rows: lists of numbers, filtered by none."""
    def packed(row):
        if depth == 8:
            return bytes(row)
        if depth == 16:
            return struct.pack(f">{len(row)}H", *row)
        bits = "".join(f"{number:0{depth}b}" for number in row)
        return int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    return b"".join(bytes([filter_type]) + packed(row) for row in rows if row)


def image(rows, colour=0, depth=8, interlace=0, extra=()):
    """A sound file. rows: lists of numbers, those of a pixel one after the other."""
    n = NUMBERS[colour]
    width, height = len(rows[0]) // n, len(rows)
    lines = scanlines(rows, depth)
    if interlace:
        lines = b""
        for x0, y0, dx, dy in ADAM7:
            lines += scanlines([[v for x in range(x0, width, dx) for v in row[x * n:(x + 1) * n]] for row in rows[y0::dy]], depth)
    return png(header(width, height, colour, depth, interlace=interlace), *extra, (b"IDAT", zlib.compress(lines)), END)


def jpeg(rows, quality=95):
    """Grey."""
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    handle, made, size = ctypes.c_void_p(library.tjInitCompress()), ctypes.POINTER(ctypes.c_ubyte)(), ctypes.c_ulong()
    grey = 6, 3  # TJPF_GRAY, TJSAMP_GRAY
    failed = library.tjCompress2(handle, bytes(v for row in rows for v in row), len(rows[0]), 0, len(rows), grey[0], ctypes.byref(made),
                                 ctypes.byref(size), grey[1], quality, 0)
    assert not failed
    content = ctypes.string_at(made, size.value)
    library.tjFree(made)
    library.tjDestroy(handle)
    return content


def enlarged(rows, times):
    return [[v for v in row for _ in range(times)] for row in rows for _ in range(times)]


def inverted(rows):
    return [[255 - v for v in row] for row in rows]


def on_page(rows, width, height, left, top):
    """In the middle of a white page."""
    page = [[255] * width for _ in range(height)]
    for y, row in enumerate(rows):
        page[top + y][left:left + len(row)] = row
    return page
