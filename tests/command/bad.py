"""Tables of bad inputs: what the command says of each, with which exit code and how much memory, and that it leaves every file as it was."""
import collections
import hashlib
import json
import os
import re
import signal
import subprocess
import sys

import weft

MIB = 1 << 20
HANGS_AFTER_S = 120  # of work that takes milliseconds; what is quadratic in its input takes longer
HASHED_BYTES = 16 * MIB  # of larger files, which are holes, the size and the times are enough

# what: the input in words. content: of the file that it is about. says: the beginning of what follows "weft: FILE:", as a regular expression;
# of several, each must be there. code: 0 where it is accepted; it is warned of then, where `says` is not empty.
Row = collections.namedtuple("Row", "what content says code", defaults=([], 2))
Outcome = collections.namedtuple("Outcome", "code stdout stderr peak_bytes")

# The kernel counts the memory of a process from that of its parent on, so that a small one stands in between.
MEASURE = """
import json, os, sys
report = int(sys.argv[1])
child = os.fork()
if child == 0:
    os.close(report)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
os.write(report, json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]).encode())
"""


def measure(command, timeout=HANGS_AFTER_S, **options):
    """Runs a command to its end, or kills it and all that it started."""
    reading, writing = os.pipe()
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", MEASURE, str(writing), *command], start_new_session=True, pass_fds=[writing],
                               **options)
    os.close(writing)
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    finally:
        with os.fdopen(reading, "rb") as report:
            said = report.read()
    code, peak_bytes = json.loads(said)
    return Outcome(code, (stdout or b"").decode(errors="backslashreplace"), (stderr or b"").decode(errors="backslashreplace"), peak_bytes)


def fingerprint(folder):
    """Everything that a folder holds: names, kinds, sizes, times, contents."""
    digest = hashlib.sha256()
    for path, folders, names in os.walk(os.fsencode(folder)):
        folders.sort()
        for name in sorted(names + folders):
            file = os.path.join(path, name)
            info = os.lstat(file)
            digest.update(repr((os.path.relpath(file, os.fsencode(folder)), info.st_mode, info.st_size, info.st_mtime_ns)).encode())
            if os.path.isfile(file) and info.st_size <= HASHED_BYTES:
                with open(file, "rb") as opened:
                    digest.update(opened.read())
    return digest.hexdigest()


class Case(weft.Case):
    """A test whose folder holds good files, among which bad ones come and go."""

    idle_bytes = 0  # of the command on what is good; what is refused may take 32 MiB and four times its size above

    def measure(self, *arguments, env=None, **options):
        return measure([*weft.EMULATOR, weft.COMMAND, *arguments], cwd=self.folder, env=weft.environment(self.folder, env), **options)

    def learn_idle(self, *arguments):
        """What the command takes for something good."""
        outcome = self.measure(*arguments)
        self.assertEqual(outcome.code, 0, outcome)
        self.idle_bytes = outcome.peak_bytes

    def assert_little_memory(self, outcome, file_bytes):
        if not weft.SAN:  # sanitizers take memory of their own
            self.assertLessEqual(outcome.peak_bytes, self.idle_bytes + 32 * MIB + 4 * file_bytes, "bytes of memory at the most")

    def check(self, row, name, *arguments, **options):
        """Runs the command: what it says of the file `name` is as the row has it, in one line; no file has changed."""
        before = fingerprint(self.folder)
        outcome = self.measure(*arguments, **options)
        shown = f"weft {' '.join(arguments)[:300]}\n{outcome}"[:3000]
        says = [row.says] if isinstance(row.says, str) else list(row.says)
        self.assertEqual(outcome.code, row.code, shown)
        self.assertNotRegex(outcome.stdout + outcome.stderr, r"Sanitizer|runtime error:|[\x00-\x08\x0b-\x1f\x7f]", shown)
        self.assertEqual(len(outcome.stderr.splitlines()), 1 if says or row.code else 0, shown)
        if says:
            self.assertRegex(outcome.stderr, f"^weft: {'' if row.code else 'warning: '}{re.escape(name)}:{says[0]}", shown)
        for words in says[1:]:
            self.assertRegex(outcome.stderr, words, shown)
        if row.code:
            self.assertEqual(outcome.stdout, "", shown)
            self.assert_little_memory(outcome, self.size_of(name, options))
        self.assertEqual(fingerprint(self.folder), before, "a file was made or changed: " + shown)
        return outcome

    def size_of(self, name, options):
        stream = options.get("stdin")
        if stream not in (None, subprocess.DEVNULL):
            return os.fstat(stream.fileno() if hasattr(stream, "fileno") else stream).st_size
        path = self.path(name)
        return os.path.getsize(path) if os.path.isfile(path) else 0
