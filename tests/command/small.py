"""A data set of MNIST's form that is small enough for epochs of milliseconds: Fashion-MNIST's first images.

    python3 tests/command/small.py FOLDER [train images] [test images] [times]

The training images stand in it so many times, so that many epochs can be one.
"""
import gzip
import os
import struct
import sys

REAL = "/usr/share/datasets/fashion-mnist"
FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"), "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}


def write_idx(path, dims, data):
    """An IDX file of unsigned bytes."""
    with open(path, "wb") as file:
        file.write(struct.pack(f">BBBB{len(dims)}I", 0, 0, 8, len(dims), *dims) + data)


def make(folder, n_train=600, n_test=100, times=1):
    os.makedirs(folder, exist_ok=True)
    for split, n, repeat in (("train", n_train, times), ("test", n_test, 1)):
        for name, dims, offset in ((FILES[split][0], (n * repeat, 28, 28), 16), (FILES[split][1], (n * repeat,), 8)):
            with gzip.open(os.path.join(REAL, name + ".gz")) as file:
                file.read(offset)
                write_idx(os.path.join(folder, name), dims, file.read(n * (784 if len(dims) == 3 else 1)) * repeat)
    return folder


if __name__ == "__main__":
    make(sys.argv[1], *map(int, sys.argv[2:]))
