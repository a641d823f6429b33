#!/usr/bin/python3
"""What a disk can hold after the power went: the order in which a run writes is recorded, a model of a file system keeps apart what was synced and
what was not, and every state that it allows is laid into a folder, from which weft goes on. It must come to what an undisturbed run leaves.

After each system call any of what no fsync has reached may be there or not: of a file's bytes any of their sectors, of a folder's names any of the changes,
in whatever order they were made. A rename is there or not, as a whole.
"""
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import unittest

import small
import weft

EXPERIMENT = """\
data: {set: set, scale: 255}
model: [linear 6, batch_norm, relu, dropout 0.2, linear 10]
optimizer: {name: adam}
train: {epochs: 2, batch: 50, log_steps: true, average: {name: ema, decay: 0.9}, early_stopping: {patience: 3}}
checkpoint: {every_steps: 2}
"""
SECTOR = 512
ALL_SUBSETS = 5  # of so many changes that were not synced all subsets are tried, of more: each alone, each missing, and some
SOME = 24
TEARS = 4  # of each subset with bytes in it so many are tried in which sectors are missing
CALLS = "openat,close,write,fsync,renameat,unlink,unlinkat,ftruncate,fallocate,mkdir,mkdirat"
# What would change a file and is not in the model: it must not be used.
OTHERS = "open,creat,pwrite64,writev,pwritev,rename,renameat2,truncate,link,linkat,symlink,symlinkat,rmdir,sync_file_range,copy_file_range,sendfile"
LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?")


def text(word):
    """Of strace's "\\x61\\x62"."""
    return bytes.fromhex(word.strip('"').replace("\\x", ""))


class Recording:
    """What a command does to a folder: a list of changes, each with what syncs it, and when that happened.

    changes: (what, inode or path, more); synced[i]: the number of changes that there were when change i was surely on the disk; None: never."""

    def __init__(self, folder):
        self.folder = folder.encode()
        self.changes, self.synced = [], []
        self.names, self.opened, self.sizes = {}, {}, []

    def within(self, path):
        """The rest of a path that leads to the folder or below it; None: it does not."""
        return path[len(self.folder) + 1:] if (path + b"/").startswith(self.folder + b"/") else None

    def add(self, what, where, more=None):
        self.changes.append((what, where, more))
        self.synced.append(None)

    def sync(self, reached):
        for i, change in enumerate(self.changes):
            if self.synced[i] is None and reached(change):
                self.synced[i] = len(self.changes)

    def path_of(self, folder, name):
        return self.within(os.path.normpath(os.path.join(folder, name)))

    def hear(self, line):
        match = LINE.match(line)
        if not match or int(match[3]) < 0:
            if "unfinished" in line:
                raise ValueError(f"two threads: {line[:100]}")
            return
        call, words, result = match[1], match[2].split(", "), int(match[3])
        folder = text(words[0].partition("<")[2].rstrip(">")) if "<" in words[0] else None
        getattr(self, "on_" + call)(words, result, folder)

    def on_openat(self, words, fd, folder):
        path = self.path_of(folder, text(words[1]))
        if path is None:
            return
        if "O_CREAT" in words[2] and path not in self.names:
            self.names[path] = len(self.sizes)
            self.sizes.append(0)
            self.add("name", path, self.names[path])
        inode = self.names.get(path)
        self.opened[fd] = (path, inode, "O_APPEND" in words[2], [0])
        if inode is not None and "O_TRUNC" in words[2]:
            self.resize(inode, 0)

    def on_close(self, words, _, __):
        self.opened.pop(int(words[0].partition("<")[0]), None)

    def file_of(self, words):
        return self.opened.get(int(words[0].partition("<")[0]), (None, None, False, None))

    def on_write(self, words, n, _):
        _, inode, appends, at = self.file_of(words)
        if inode is None:
            return
        offset = self.sizes[inode] if appends else at[0]
        self.add("data", inode, (offset, text(words[1])[:n]))
        self.sizes[inode] = max(self.sizes[inode], offset + n)
        at[0] = offset + n

    def resize(self, inode, size):
        self.add("size", inode, size)
        self.sizes[inode] = size

    def on_ftruncate(self, words, _, __):
        inode = self.file_of(words)[1]
        if inode is not None:
            self.resize(inode, int(words[1]))

    def on_fallocate(self, words, _, __):
        inode = self.file_of(words)[1]
        if inode is not None:
            self.resize(inode, max(self.sizes[inode], int(words[2]) + int(words[3])))

    def on_fsync(self, words, _, __):
        path, inode = self.file_of(words)[:2]
        if inode is not None:
            self.sync(lambda change: change[0] in ("data", "size") and change[1] == inode)
        elif path is not None:
            self.sync(lambda change: change[0] not in ("data", "size") and os.path.dirname(change[1]) == path)

    def on_renameat(self, words, _, folder):
        other = text(words[2].partition("<")[2].rstrip(">"))
        old, new = self.path_of(folder, text(words[1])), self.path_of(other, text(words[3]))
        if old is not None:
            self.names[new] = self.names.pop(old)
            self.add("rename", new, (old, self.names[new]))

    def remove(self, path):
        if path is not None:
            self.names.pop(path)
            self.add("remove", path)

    def on_unlinkat(self, words, _, folder):
        self.remove(self.path_of(folder, text(words[1])))

    def on_unlink(self, words, _, __):
        self.remove(self.path_of(os.path.dirname(self.folder), text(words[0])))

    def on_mkdir(self, words, _, __):
        path = self.path_of(os.path.dirname(self.folder), text(words[0]))
        if path:
            self.add("folder", path)

    def on_mkdirat(self, words, _, folder):
        path = self.path_of(folder, text(words[1]))
        if path is not None:
            self.add("folder", path)

    # ---- States ----

    def subsets(self, waiting, chance):
        """Which of the changes that wait may be there."""
        if len(waiting) <= ALL_SUBSETS:
            for bits in range(1 << len(waiting)):
                yield {change for i, change in enumerate(waiting) if bits >> i & 1}
            return
        yield set(waiting)
        yield set()
        for change in waiting:
            yield {change}
            yield set(waiting) - {change}
        for _ in range(SOME):
            yield {change for change in waiting if chance.random() < 0.5}

    def state(self, n, there, chance, tears):
        """{path: content}, None for a folder, after the first n changes, of whose unsynced ones these are there."""
        names, files = {}, {}
        for i in range(n):
            waits = self.synced[i] is None or self.synced[i] > n
            if waits and i not in there:
                continue
            what, where, more = self.changes[i]
            if what in ("data", "size"):
                content = files.setdefault(where, bytearray())
                if what == "size":
                    del content[more:]
                    content.extend(bytes(more - len(content)))
                    continue
                offset, data = more
                content.extend(bytes(max(0, offset + len(data) - len(content))))
                at = offset
                while at < offset + len(data):  # up to the end of each sector
                    end = min(offset + len(data), (at // SECTOR + 1) * SECTOR)
                    if not (waits and tears) or chance.random() < 0.5:
                        content[at:end] = data[at - offset:end - offset]
                    at = end
            elif what == "rename":
                names.pop(more[0], None)
                names[where] = more[1]
            elif what == "remove":
                names.pop(where, None)
            else:
                names[where] = more
        return {path: None if inode is None else bytes(files.get(inode, b"")) for path, inode in names.items()
                if all(names.get(parent, 0) is None for parent in parents(path))}

    def states(self, chance):
        """All of them, each once, in an order that is drawn."""
        found = {}
        for n in range(len(self.changes) + 1):
            waiting = [i for i in range(n) if self.synced[i] is None or self.synced[i] > n]
            for there in self.subsets(waiting, chance):
                tears = [False] + [True] * TEARS * any(self.changes[i][0] == "data" for i in there)
                for torn in tears:
                    state = self.state(n, there, chance, torn)
                    found[tuple(sorted(state.items()))] = state
        states = list(found.values())
        chance.shuffle(states)
        return states


def parents(path):
    while os.path.dirname(path):
        path = os.path.dirname(path)
        yield path


class Stage:
    """A folder in which a run was recorded, and is gone on with from what it may have left."""

    def __init__(self, folder):
        self.folder = folder
        small.make(os.path.join(folder, "set"), 300, 50)
        self.still = weft.still_clock(folder)
        place = self.place("undisturbed")
        trace = os.path.join(folder, "trace")
        self.run(place, ["strace", "-f", "-y", "-xx", "-s", "100000000", "-o", trace, "-e", f"trace={CALLS},{OTHERS}",
                         *(f"-E{name}={value}" for name, value in self.still.items())], {})
        self.wanted = weft.content_of(os.path.join(place, "out"))
        self.recording = Recording(os.path.join(place, "out"))
        with open(trace, "rb") as file:
            for line in file:
                self.recording.hear(line.decode())

    def place(self, name):
        place = os.path.join(self.folder, name)
        os.makedirs(os.path.join(place))
        os.symlink("../set", os.path.join(place, "set"))
        with open(os.path.join(place, "e.yaml"), "w") as file:
            file.write(EXPERIMENT)
        return place

    def run(self, place, before, changes):
        done = subprocess.run([*before, weft.COMMAND, "train", "e.yaml", "-o", "out", "--resume", "--threads", "1", "-q"], cwd=place,
                              env=weft.environment(place, changes), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise AssertionError(f"exit code {done.returncode}: {done.stdout}")

    def try_state(self, number, state):
        """What is wrong with what it comes to; None: nothing."""
        place = self.place(f"state-{number}")
        for path, content in sorted(state.items()):
            path = os.path.join(place, "out", os.fsdecode(path))
            if content is None:
                os.makedirs(path, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        kept = os.path.join(self.folder, f"begin-{number}")
        if os.path.exists(os.path.join(place, "out")):
            shutil.copytree(os.path.join(place, "out"), kept)
        try:
            self.run(place, [], self.still)
            found = weft.content_of(os.path.join(place, "out"))
            wrong = [name for name in sorted({**found, **self.wanted}) if found.get(name) != self.wanted.get(name)]
        except AssertionError as error:
            wrong = [str(error)]
        if wrong:
            return f"state {number}: {', '.join(wrong)} (see {kept})"
        shutil.rmtree(place)
        shutil.rmtree(kept, ignore_errors=True)
        return None

    def go_through(self, states):
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return [wrong for wrong in pool.map(self.try_state, range(len(states)), states) if wrong]


@unittest.skipIf(weft.SAN, "what is under test is the order of system calls; strace and sanitizers both want to watch it")
class CrashStates(weft.Case):
    def setUp(self):
        super().setUp()
        self.stage = Stage(self.folder)
        self.seed = random.SystemRandom().randrange(1 << 32)

    def test_all_that_a_crash_can_leave_goes_on_to_the_undisturbed_end(self):
        states = self.stage.recording.states(random.Random(self.seed))
        self.assertGreater(len(states), len(self.stage.recording.changes))
        self.assertEqual(self.stage.go_through(states), [], f"seed {self.seed}")

    def test_it_would_not_if_nothing_were_synced(self):
        recording = self.stage.recording
        del recording.changes[50:]
        recording.synced = [None] * len(recording.changes)
        states = recording.states(random.Random(self.seed))
        self.assertNotEqual(self.stage.go_through(states[:60]), [], f"seed {self.seed}")


weft.main()
