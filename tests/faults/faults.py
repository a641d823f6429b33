"""Runs the command under tests/faults/shim.c and decides, at each allocation or system call of its, whether a copy of it sees that one fail.

A command runs in a folder, by relative paths, with one thread; each fault runs in a copy of the folder, made at that moment, and what it left
there is judged before the command goes on.
"""
import collections
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "command"))
import weft  # noqa: E402

SHIM = os.path.join(weft.BUILD, "tests", "faults", "shim.so")
STDOUT, STDERR = ".stdout", ".stderr"  # in the folder: a copy of the process writes to those of its own folder

Point = collections.namedtuple("Point", "what n size callers about")  # an allocation, a thread or a system call that could fail
Fault = collections.namedtuple("Fault", "how error point")  # how: once, always, short


class Outcome:
    """What became of a process: its exit code, or minus the signal that ended it; what it printed; what stands in its folder; what it did not
    free; where it crashed."""

    def __init__(self, folder, status, said, printed=True):
        self.code = os.waitstatus_to_exitcode(status)
        self.folder, self.said = folder, said
        self.stdout, self.stderr = (read(os.path.join(folder, name)).decode(errors="backslashreplace") if printed else ""
                                    for name in (STDOUT, STDERR))
        self.live = [line.split(" ", 2)[1:] for line in said if line.startswith("live ")]
        self.crash = next((line for line in said if line.startswith("crash ")), None)

    def files(self):
        """{path: content}, without what the process printed."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), self.folder)
                if path not in (STDOUT, STDERR):
                    found[path] = read(os.path.join(self.folder, path))
        return found


def read(path):
    with open(path, "rb") as file:
        return file.read()


def start(arguments, folder, kind, env=None):
    """The command in `folder`, and our end of its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = weft.environment(os.path.dirname(folder), {"LD_PRELOAD": SHIM, "FAULTS": f"{theirs.fileno()} {kind}", **(env or {})})
    with open(os.path.join(folder, STDOUT), "ab") as stdout, open(os.path.join(folder, STDERR), "ab") as stderr:
        process = subprocess.Popen([weft.COMMAND, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout,
                                   stderr=stderr, pass_fds=[theirs.fileno()])
    theirs.close()
    return process, ours


def run(arguments, folder, kind, choose, judge, env=None):
    """choose(Point) names the faults that a copy shall see there, as (how, error) pairs; judge(Fault, Outcome) looks at each. Returns the
    outcome of the command itself, which saw none."""
    process, ours = start(arguments, folder, kind, env)
    copy = folder.rstrip("/") + ".copy"
    said, fault, waiting, point = [], None, [], None
    while message := ours.recv(8192).decode(errors="backslashreplace"):
        word, _, rest = message.partition(" ")
        if word not in ("at", "ended"):
            said.append(message)
            continue
        if word == "ended":
            judge(fault, Outcome(copy, int(rest), said))
            shutil.rmtree(copy)
            said, fault = [], None
            continue
        where, _, about = rest.partition("\t")
        what, n, size, *callers = where.split(" ")
        asked = Point(what, int(n), int(size), callers, about)
        if asked != point:
            point, waiting = asked, list(choose(asked))
        if waiting:
            fault = Fault(*waiting.pop(0), point)
            shutil.copytree(folder, copy, symlinks=True)
            ours.send(f"{fault.how} {fault.error} {copy}".encode())
        else:
            ours.send(b"next")
    ours.close()
    code = process.wait()
    return Outcome(folder, code << 8 if code >= 0 else -code, said)
