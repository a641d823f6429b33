#!/usr/bin/python3
"""Kills weft with SIGKILL, at random times and around its writes, has it go on until it is done, and compares all that it left behind, byte by
byte, with what an undisturbed run leaves. A clock that stands still is loaded into it, so that no file differs by seconds.

    python3 tests/command/kills.py KILLS [SEED]        prints how it goes on, and in the end: N passed, N failed
"""
import concurrent.futures
import ctypes
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

import small
import weft

# All that a checkpoint has something of: an optimizer's moments, a schedule that learns, an average, early stopping, running statistics, masks.
EXPERIMENT = """\
data: {set: set, scale: 255}
model: [linear 24, batch_norm, relu, dropout 0.2, linear 10]
optimizer: {name: adam}
schedule: {name: reduce_lr_on_plateau, patience: 1}
train: {epochs: 4, batch: 32, log_steps: true, average: {name: ema, decay: 0.9}, early_stopping: {patience: 3}}
checkpoint: {every_steps: 4}
"""
COMPARISON = EXPERIMENT + """\
variants: {plain: {}, swa: {train: {average: {name: swa, decay: 0.999}}}}
seeds: [1, 2]
"""
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
LIBC = ctypes.CDLL(None, use_errno=True)


class Writes:
    """What happens to the names in some folders, as it happens."""

    def __init__(self, folders):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in folders:
            if LIBC.inotify_add_watch(self.fd, folder.encode(), IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE) < 0:
                raise OSError(ctypes.get_errno(), "inotify", folder)

    def count(self, seconds):
        """How many there were within so many seconds at most; at once when there are some."""
        n, at = 0, 0
        if not select.select([self.fd], [], [], seconds)[0]:
            return 0
        events = os.read(self.fd, 1 << 16)
        while at < len(events):
            at += 16 + struct.unpack_from("IIII", events, at)[3]
            n += 1
        return n

    def close(self):
        os.close(self.fd)


def difference(found, wanted):
    return ", ".join(sorted(name for name in {**found, **wanted} if found.get(name) != wanted.get(name)))


class Range:
    """A folder in which weft is killed: its data, its experiments, and what it should come to."""

    def __init__(self, command, experiment, watched, cores=None):
        self.folder = tempfile.mkdtemp(prefix="weft-kills-")
        self.command, self.experiment = command, experiment
        self.watched = watched  # folders below the one that it writes
        self.cores = cores or os.sched_getaffinity(0)
        small.make(os.path.join(self.folder, "set"))
        self.environment = weft.environment(self.folder, weft.still_clock(self.folder))
        self.seconds, self.n_writes = 0.0, 0
        self.wanted = self.measure()

    def place(self, name):
        """A new folder to run in, in which everything is called as in all the others."""
        place = os.path.join(self.folder, name)
        os.mkdir(place)
        os.symlink("../set", os.path.join(place, "set"))
        with open(os.path.join(place, "e.yaml"), "w") as file:
            file.write(self.experiment)
        for folder in self.watched:
            os.makedirs(os.path.join(place, "out", folder))
        return place

    def start(self, place):
        with open(os.path.join(place, "said"), "ab") as said:
            return subprocess.Popen([weft.COMMAND, *self.command, "e.yaml", "-o", "out", "-q"], cwd=place, stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=said, env=self.environment,
                                    preexec_fn=lambda: os.sched_setaffinity(0, self.cores))

    def writes(self, place):
        return Writes([os.path.join(place, "out", folder) for folder in self.watched])

    def measure(self):
        """The undisturbed run: what it leaves, how long it takes, how often it writes."""
        place = self.place("undisturbed")
        writes = self.writes(place)
        begin = time.monotonic()
        process = self.start(place)
        while process.poll() is None:
            self.n_writes += writes.count(0.05)
        self.n_writes += writes.count(0)
        writes.close()
        self.seconds = time.monotonic() - begin
        if process.returncode != 0:
            raise RuntimeError(f"weft ended with {process.returncode}: " + open(os.path.join(place, "said")).read())
        return weft.content_of(os.path.join(place, "out"))

    def strike(self, place, chance):
        """Runs weft and kills it somewhere; whether it came to that."""
        process = self.start(place)
        if self.watched and chance.random() < 0.7:
            writes, left = self.writes(place), chance.randint(1, self.n_writes)
            while left > 0 and process.poll() is None:
                left -= writes.count(0.05)
            writes.close()
            time.sleep(chance.uniform(0, 0.003))
        else:
            try:
                process.wait(chance.uniform(0, self.seconds))
            except subprocess.TimeoutExpired:
                pass
        process.kill()
        process.wait()
        if process.returncode not in (0, -signal.SIGKILL):
            raise AssertionError(f"exit code {process.returncode}")
        return process.returncode != 0

    def trial(self, seed):
        """One run and its kills: half of them are followed by one of what goes on. Returns their number, and what is wrong."""
        chance = random.Random(seed)
        place = self.place(seed)
        kills = 0
        try:
            while self.strike(place, chance):
                kills += 1
                if chance.random() < 0.5:
                    break
            code = self.start(place).wait()
            found = weft.content_of(os.path.join(place, "out"))
            wrong = f"exit code {code}" if code else difference(found, self.wanted)
        except AssertionError as error:
            wrong = str(error)
        if not wrong:
            shutil.rmtree(place)
            return kills, ""
        with open(os.path.join(place, "said"), errors="replace") as said:
            return kills, f"{seed}: {wrong}\n{said.read()}(see {place})"

    def close(self, failed):
        if not failed:
            shutil.rmtree(self.folder)


def train_range():
    return Range(["train", "--resume"], EXPERIMENT, ["", "checkpoint"])


def compare_range():
    """On one core: a trial that is left alone would take all there are, and its record says how many threads it had."""
    return Range(["compare", "-j", "2"], COMPARISON, [], {min(os.sched_getaffinity(0))})


def torture(where, n_kills, seed, workers=1, tell=None):
    """Trials until there were so many kills. Returns how many kills went well, and what went wrong."""
    lock, kills, passed, failures, number = threading.Lock(), 0, 0, [], iter(range(1 << 30))

    def work():
        nonlocal kills, passed
        while kills < n_kills and len(failures) < 10:
            with lock:
                name = f"{seed}-{next(number)}"
            n, wrong = where.trial(name)
            with lock:
                kills += n
                if wrong:
                    failures.append(wrong)
                else:
                    passed += n
                if tell:
                    tell(kills, len(failures))

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work) for _ in range(workers)]:
            done.result()
    where.close(failures)
    return passed, failures


def main():
    n_kills = int(sys.argv[1])
    seed = sys.argv[2] if len(sys.argv) > 2 else str(random.SystemRandom().randrange(1 << 32))
    workers = len(os.sched_getaffinity(0))
    passed, failed = 0, 0
    for what, make, n in (("train", train_range, n_kills), ("compare", compare_range, max(n_kills // 10, 1))):
        print(f"{what}: {n} kills, seed {seed}", flush=True)
        told = [0]

        def tell(kills, n_failed):
            if kills >= told[0] + n / 20:
                told[0] = kills
                print(f"  {kills} of {n} kills, {n_failed} runs ended on other bits", flush=True)

        good, failures = torture(make(), n, f"{what}-{seed}", workers, tell)
        passed, failed = passed + good, failed + len(failures)
        for failure in failures:
            print(failure)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
