"""What the whole-program tests share: running the command as a user would, and looking at what it left behind."""
import array
import hashlib
import json
import math
import os
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
BUILD = os.path.join(ROOT, os.environ.get("BUILD") or "build")
SAN = os.environ.get("SAN", "")  # not empty: a sanitizer build, several times slower
ARCH = os.environ.get("ARCH") or os.uname().machine
EMULATOR = shlex.split(os.environ.get("EMULATOR", ""))  # in front of programs that were built for another machine
COMMAND = os.path.join(BUILD, "weft")
# The instruction sets of each architecture, the best last, and the flags of /proc/cpuinfo that they need.
ISAS = {
    "x86_64": {"v2": "ssse3 sse4_2 popcnt", "v3": "avx2 fma bmi2", "v4": "avx2 fma bmi2 avx512f avx512bw avx512cd avx512dq avx512vl"},
    "aarch64": {"neon": "asimd"},
}[ARCH]
REAL = "/usr/share/datasets/fashion-mnist"

sys.path.insert(0, TESTS)
sys.path.insert(0, os.path.join(TESTS, "fixtures"))
from tap import main  # noqa: E402, F401: every test file ends with weft.main()

TUTORIAL = """\
title: a test
data: {set: fashion-mnist, scale: 255}
model: [linear 1000, relu, linear 10]
optimizer: {name: sgd, lr: 0.01}
train: {epochs: 1, batch: 32, seed: 1}
"""


def environment(home, changes=None):
    """A user's environment with nothing of the tester's in it. A change to None takes a variable away."""
    clean = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": home, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    clean.update({name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")})
    clean.update(changes or {})
    return {name: value for name, value in clean.items() if value is not None}


def has_isa(name):
    """Whether this CPU runs the kernels of an instruction set; an emulator runs all of its architecture."""
    if EMULATOR:
        return True
    with open("/proc/cpuinfo") as file:
        flags = next(set(line.split()) for line in file if line.startswith(("flags", "Features")))
    return set(ISAS[name].split()) <= flags


def updating_optimizers():
    """Those that move weights by an update, not by looking at the loss again."""
    folder, found = os.path.join(ROOT, "src", "optim"), []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name)) as file:
            if ".update = " in file.read():
                found.append(name[:-2])
    return found


STILL_CLOCK = """\
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t) { (void)id; *t = (struct timespec){0}; return 0; }
"""


def still_clock(folder):
    """Changes to the environment with which all durations are 0: then nothing that a run leaves differs by seconds. Lives in the folder."""
    source, library = os.path.join(folder, "still.c"), os.path.join(folder, "still.so")
    with open(source, "w") as file:
        file.write(STILL_CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}


def content_of(folder):
    """{path: hash} of all that lies in a folder, hidden files too."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found


class Case(unittest.TestCase):
    """A test with a folder of its own, in which the command runs."""

    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="weft-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, *names):
        with open(self.path(*names), "rb") as file:
            return file.read()

    def read_json(self, *names):
        return json.loads(self.read(*names))

    def read_lines(self, *names):
        """The objects of a .jsonl file."""
        return [json.loads(line) for line in self.read(*names).splitlines()]

    def exists(self, *names):
        return os.path.lexists(self.path(*names))

    def start(self, *arguments, env=None, emulator=(), **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": self.folder, **options}
        process = subprocess.Popen([*(emulator or EMULATOR), COMMAND, *arguments], env=environment(self.folder, env), **options)
        self.addCleanup(process.wait)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def weft(self, *arguments, code=0, env=None, timeout=1200, **options):
        """Runs the command to its end; code: what it must exit with. stdout and stderr of the result are text."""
        process = self.start(*arguments, env=env, **options)
        stdout, stderr = process.communicate(timeout=timeout)
        result = subprocess.CompletedProcess(process.args, process.returncode, (stdout or b"").decode(), (stderr or b"").decode())
        said = f"weft {' '.join(arguments)[:500]}\nexit code {result.returncode}\nstdout:\n{result.stdout}\nstderr:\n{result.stderr}"
        self.assertNotIn("Sanitizer", result.stderr, said)
        self.assertNotIn("runtime error:", result.stderr, said)
        self.assertEqual(result.returncode, code, said)
        return result


def read_tensors(path):
    """{name: (shape, bytes)} of a safetensors file of float32, with counts in int64, and its notes."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    notes = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32" or (entry["dtype"] == "I64" and entry["shape"] == []), entry
        begin, end = entry["data_offsets"]
        assert end - begin == (4 if entry["dtype"] == "F32" else 8) * math.prod(entry["shape"]) and 8 + length + end <= len(content), (name, entry)
        tensors[name] = (entry["shape"], content[8 + length + begin:8 + length + end])
    return tensors, notes


def tensor_numbers(data):
    numbers = array.array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def hash_tensors(path):
    """SHA-256 of names, shapes and numbers, whatever else the file says."""
    digest = hashlib.sha256()
    for name, (shape, data) in sorted(read_tensors(path)[0].items()):
        digest.update(f"{name} {shape}\n".encode() + data)
    return digest.hexdigest()


def without_seconds(metrics):
    return [{name: value for name, value in line.items() if not name.endswith("_seconds")} for line in metrics]
