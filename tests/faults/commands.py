"""Every command of weft on work that is small, and what must hold of each when something fails under it.

A fault ends in one of two ways. Either the command did without what failed: exit code 0, and everything it says and writes is as it would have
been. Or it could not: exit code 1 (2 where the system's words are about a file that the user named), a line that says why, and every file is
whole: as it was before, or as it was to be, or, of a log, its lines up to there. Never a crash, a hang, a block that nobody frees, a file that
is half written, a temporary one left behind.
"""
import errno
import json
import os
import re
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import faults  # noqa: E402
import small  # noqa: E402
import weft  # noqa: E402

EXPERIMENT = """\
data: {set: data, scale: 255}
model: [linear 4, batch_norm, relu, linear 10]
optimizer: {name: adam, lr: 0.01}
schedule: {name: step_lr, step_size: 1}
train: {epochs: 1, batch: 10, seed: 1}
"""
VARIANTS = EXPERIMENT + "variants:\n  plain: {}\n  fast: {optimizer: {lr: 0.1}}\nseeds: [1, 2]\n"
SWEEP = EXPERIMENT + "sweep:\n  method: random\n  trials: 3\n  space: {optimizer.lr: {from: 0.001, to: 0.1, log: true}}\n"
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>%s</cachedir></fontconfig>
"""
ONE = ["--threads", "1"]
ALL = {
    "help": ["--help"],
    "help of train": ["train", "--help"],
    "version": ["--version"],
    "reference": ["reference"],
    "reference of some": ["reference", "adam", "batch_norm"],
    "explain": ["explain"],
    "explain scaling": ["explain", "scaling", "-o", "scaling.svg"],
    "summary": ["summary", "x.yaml", "--plan"],
    "summary in JSON": ["summary", "x.yaml", "--json"],
    "data info": ["data", "info", "data"],
    "data info in JSON": ["data", "info", "data", "--json"],
    "data show": ["data", "show", "data", "-o", "grid.png", "--per-class", "2"],
    "train": ["train", "x.yaml", "-o", "new", *ONE],
    "train in JSON": ["train", "x.yaml", "-o", "new", "--json", "--quiet", *ONE],
    "train again": ["train", "x.yaml", "-o", "run", "--force", *ONE],
    "resume": ["train", "x.yaml", "-o", "run", "--resume", "--set", "train.epochs=2", *ONE],
    "dry run": ["train", "x.yaml", "-o", "new", "--dry-run", *ONE],
    "lr-find": ["lr-find", "x.yaml", "-o", "rates", "--steps", "10", "--seeds", "2", *ONE],
    "compare": ["compare", "variants.yaml", "-o", "all", "--jobs", "1"],
    "compare in JSON": ["compare", "variants.yaml", "-o", "all", "--jobs", "1", "--json", "--quiet"],
    "sweep": ["compare", "sweep.yaml", "-o", "all", "--jobs", "1", "--format", "md"],
    "eval": ["eval", "run", "-o", "evaluation", *ONE],
    "eval in JSON": ["eval", "run/model.safetensors", "--data", "data", "--json", *ONE],
    "predict": ["predict", "run", "shoe.png"],
    "predict in JSON": ["predict", "run", "shoe.png", "--json"],
    "report": ["report", "run", "-o", "page.html"],
}
# Debian's libraries that crash, never end, or lose a block of theirs when they get no memory: cairo 1.16 and what it draws with. That is
# excepted where the innermost code beside the C library, both where memory was asked for and where it ended or asked for the lost block, is
# theirs; what the files are like is looked at all the same.
DRAWING = ("libcairo.so.2", "libpixman-1.so.0", "libfontconfig.so.1", "libexpat.so.1", "libfreetype.so.6", "libpng16.so.16", "libz.so.1")


def is_drawing(callers):
    """Whether code that draws is innermost, and cairo somewhere around it: weft itself reads PNG files, too."""
    inner = [caller for caller in callers if not caller.startswith(("libc.so", "ld-linux", "libgcc_s"))]
    return bool(inner) and inner[0].startswith(DRAWING) and any(caller.startswith("libcairo") for caller in callers)


def plain(arguments, folder):
    done = subprocess.run([weft.COMMAND, *arguments], cwd=folder, env=weft.environment(folder), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def set_up(folder):
    """What the commands work on: data, experiment files, a run, an image."""
    small.make(os.path.join(folder, "data"), 40, 20)
    for name, content in (("x.yaml", EXPERIMENT), ("variants.yaml", VARIANTS), ("sweep.yaml", SWEEP), ("fonts.conf", FONTS % (folder + ".fonts"))):
        with open(os.path.join(folder, name), "w") as file:
            file.write(content)
    plain(["train", "x.yaml", "-o", "run", *ONE], folder)
    plain(["data", "show", "data", "-o", "shoe.png", "--per-class", "1"], folder)
    return folder


# ---- Whether files are whole ----

def is_whole(path, content):
    end = os.path.splitext(path)[1]
    try:
        if end == ".json":
            json.loads(content)
        elif end == ".jsonl":
            return content.endswith(b"\n") and all(isinstance(json.loads(line), dict) for line in content.splitlines()) or not content
        elif end == ".safetensors":
            (length,) = struct.unpack_from("<Q", content)
            header = json.loads(content[8:8 + length])
            header.pop("__metadata__", None)
            return len(content) == 8 + length + max((one["data_offsets"][1] for one in header.values()), default=0)
        elif end in (".svg", ".html"):
            return content.rstrip().endswith(f"</{end[1:]}>".encode())
        elif end == ".png":
            return content.startswith(b"\x89PNG") and content.endswith(b"IEND\xaeB`\x82")
    except (ValueError, struct.error):
        return False
    return content.endswith(b"\n")


def without_times(path, content):
    """What does not depend on how long something took. Text without what numbers are made of, tensors without their notes."""
    if path.endswith(".safetensors"):
        (length,) = struct.unpack_from("<Q", content)
        return content[8 + length:]
    return content if path.endswith(".png") else content.replace(b"null", b"").translate(None, b"0123456789.+-e")


# ---- Judging ----

# What a run that begins or goes on takes away first: an evaluation of the model that was there.
STALE = ("run/evaluation.json",)

class Judge:
    """What a command does when nothing fails, against which its faults are held."""

    def __init__(self, before, undisturbed, wanted):
        self.before = before  # {path: content}
        self.after = undisturbed.files()
        self.timeless = {path: without_times(path, content) for path, content in self.after.items()}
        self.stdout = self.norm(undisturbed.stdout)
        self.kept = {callers for _, callers in undisturbed.live}
        self.wanted = wanted  # of an error, what one of its lines must say: error -> words
        self.complaints = {}  # what is wrong -> how often and one example
        self.n, self.n_excepted, self.n_refused = 0, 0, 0

    @staticmethod
    def norm(printed):
        return without_times("", printed.encode(errors="backslashreplace"))

    def words(self, fault):
        """What a line must say one of. Of files that a library wants, it tells weft only that it has not got what it needs."""
        return [self.wanted(fault.error)] + (["memory", "libfreetype"] if is_drawing(fault.point.callers) else [])

    def complain(self, what, fault, outcome):
        example = f"{fault.how} {fault.error} at {fault.point.what} {fault.point.n} {fault.point.about} {' '.join(fault.point.callers[:8])}\n" \
                  f"    {outcome.stderr[-300:]!r}"
        count, first = self.complaints.get(what, (0, example))
        self.complaints[what] = count + 1, first

    def __call__(self, fault, outcome):
        self.n += 1
        files = outcome.files()
        for what in self.look_at_files(files, outcome.code) + self.look_at_end(fault, outcome):
            self.complain(what, fault, outcome)

    def look_at_end(self, fault, outcome):
        wrong = []
        if outcome.crash or outcome.code < 0:
            where = (outcome.crash or "").split()[2:]
            if fault.point.what == "memory" and is_drawing(fault.point.callers) and (not where or is_drawing(where)):
                self.n_excepted += 1
                return wrong
            return [f"ended by signal {-outcome.code}: {outcome.crash}"]
        if outcome.code == 0:
            if fault.error and self.norm(outcome.stdout) != self.stdout:
                wrong.append("exit code 0, and printed something else")
        else:
            self.n_refused += 1
            mute = fault.how == "always" and fault.point.what == "write"  # standard error is out of reach, too
            said = [line for line in outcome.stderr.splitlines() if line.startswith("weft: ") and "warning:" not in line]
            if outcome.code not in ((1, 2) if fault.error in (errno.EACCES, errno.ENOENT) else (1,)):
                wrong.append(f"exit code {outcome.code}")
            if not mute and not any(words in line for line in said for words in self.words(fault)):
                wrong.append("no line says why: " + re.sub("[0-9]+", "#", said[-1] if said else "nothing"))
        leaks = [callers for _, callers in outcome.live if "weft+" in callers and callers not in self.kept and
                 not (is_drawing(fault.point.callers) and is_drawing(callers.split()))]
        return wrong + [f"never freed: {callers}" for callers in sorted(set(leaks))[:1]]

    def look_at_files(self, files, code):
        wrong = [f"left {re.sub('[0-9]+', '#', path)}" for path in files if ".tmp." in path]
        for path, content in self.before.items():
            if path not in files and path not in STALE:
                wrong.append(f"{path} is gone")
        for path, content in files.items():
            if ".tmp." in path or content == self.before.get(path):
                continue
            if not is_whole(path, content):
                wrong.append(f"{path} is damaged")
            elif code == 0 and path in self.after and without_times(path, content) != self.timeless[path]:
                wrong.append(f"exit code 0, and {path} is another")
        missing = sorted(path for path in set(self.after) - set(files))
        return wrong + ([f"exit code 0, and there is no {missing[0]}"] if code == 0 and missing else [])


# ---- Which faults ----

def memory_faults(point):
    return [("once", errno.ENOMEM), ("always", errno.ENOMEM)]


def memory_words(error):
    del error
    return "memory"


ERRORS = (errno.EIO, errno.ENOSPC, errno.EINTR, errno.EMFILE, errno.EACCES, errno.EDQUOT, errno.EROFS)


MEMORY_CALLS = ("brk", "mmap", "mremap", "mprotect", "madvise")


def call_faults(point):
    if point.what in MEMORY_CALLS:
        return [("once", errno.ENOMEM), ("always", errno.ENOMEM)]
    short = [("short", 0)] if point.what in ("read", "pread64", "write", "pwrite64") and point.size > 1 else []
    return short + [("once", error) for error in ERRORS] + [("always", errno.EIO), ("always", errno.ENOSPC)]


def call_words(error):
    return "memory" if error == errno.ENOMEM else os.strerror(error)


def place_of(point):
    """The innermost caller in weft and what it called; of the many in fontconfig, which is no part of it, only that."""
    inside = next((i for i, caller in enumerate(point.callers) if caller.startswith("weft+")), len(point.callers))
    callers = point.callers[:inside + 1]
    return point.what, tuple(callers[-1:] if any("fontconfig" in caller for caller in callers) else callers)


def once_a_place(seen, faults_at, share=1):
    """A `choose` for sweeps that looks at each place once, at one of so many of its faults, in turn."""
    def choose(point):
        place = place_of(point)
        if place in seen:
            return []
        seen.add(place)
        return faults_at(point)[len(seen) % share::share]
    return choose


def sweep(arguments, stage, folder, kind, choose, wanted):
    """Runs a command in copies of `stage`, first undisturbed, then with the faults that `choose` asks for. Returns the judge."""
    env = {"FONTCONFIG_FILE": os.path.join(stage, "fonts.conf")}
    work = os.path.join(folder, "work")
    shutil.copytree(stage, work)
    before = faults.Outcome(work, 0, [], printed=False).files()
    judge = Judge(before, faults.run(arguments, work, kind, lambda point: [], None, env), wanted)
    shutil.rmtree(work)
    shutil.copytree(stage, work)
    end = faults.run(arguments, work, kind, choose, judge, env)
    shutil.rmtree(work)
    assert end.code == 0, end.stderr
    return judge
