#!/usr/bin/python3
"""What a machine can do to a run: closed or full streams, limits, odd environments, a clock that is set back. Nothing is lost, no file takes
what was meant for a stream, and the numbers are the same."""
import os
import resource
import subprocess

import bad
import small
import weft

EXPERIMENT = """\
data: {set: ./set, scale: 255}
model: [linear 20, relu, linear 10]
optimizer: {name: sgd, lr: 0.01}
train: {epochs: 3}
"""
CLOCK = """
#define _GNU_SOURCE
#include <sys/time.h>
#include <time.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Wall-clock time runs backwards, an hour a call; the monotonic clock goes on. */
static long set_back(void) { static long hours; return 3600 * ++hours; }
int clock_gettime(clockid_t id, struct timespec *t)
{
    int result = (int)syscall(SYS_clock_gettime, id, t);
    t->tv_sec -= id == CLOCK_REALTIME ? set_back() : 0;
    return result;
}
time_t time(time_t *out) { struct timespec t; clock_gettime(CLOCK_REALTIME, &t); if (out) *out = t.tv_sec; return t.tv_sec; }
int gettimeofday(struct timeval *t, void *zone) { (void)zone; *t = (struct timeval){time(NULL), 0}; return 0; }
"""


class System(bad.Case):
    def setUp(self):
        super().setUp()
        small.make(self.path("set"), 60, 20)
        self.write("e.yaml", EXPERIMENT)

    def result(self, run):
        """What a run left that is the same each time: its parameters, its numbers, its settings."""
        lines = weft.without_seconds(self.read_lines(run, "metrics.jsonl"))
        return self.read(run, "model.safetensors"), str(lines), self.read(run, "config.yaml"), sorted(os.listdir(self.path(run)))

    def assert_same(self, run):
        if not self.exists("usual"):
            self.weft("train", "e.yaml", "-o", "usual")
        self.assertEqual(self.result(run), self.result("usual"))

    def test_closed_streams_are_no_files_of_the_run(self):
        for closed, code in (((0,), 0), ((1,), 1), ((2,), 0), ((0, 1), 1), ((0, 2), 0), ((1, 2), 1), ((0, 1, 2), 1)):
            with self.subTest(closed=closed):
                run = "run" + "".join(map(str, closed))
                redirections = " ".join(f"{place}{'<' if place == 0 else '>'}&-" for place in closed)
                done = subprocess.run(["sh", "-c", f'"$@" {redirections}', "sh", weft.COMMAND, "train", "e.yaml", "-o", run], cwd=self.folder,
                                      env=weft.environment(self.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
                self.assertEqual(done.returncode, code, done)
                if code and 2 not in closed:
                    self.assertIn(b"weft: cannot write to standard output: Bad file descriptor\n", done.stderr)
                self.assert_same(run)

    def test_full_streams_cost_no_file(self):
        for stream, code in (("stdout", 1), ("stderr", 0)):
            with open("/dev/full", "wb") as full:
                outcome = self.measure("train", "e.yaml", "-o", stream, **{stream: full})
            self.assertEqual(outcome.code, code, outcome)
            self.assert_same(stream)

    def test_a_reader_that_goes_away_is_no_mistake(self):
        reading, writing = os.pipe()
        os.close(reading)
        outcome = self.measure("train", "e.yaml", "-o", "run", stdout=writing)
        os.close(writing)
        self.assertEqual(outcome.code, 0, outcome)
        self.assert_same("run")

    def limited(self, kind, value, *arguments):
        return self.measure(*arguments, preexec_fn=lambda: resource.setrlimit(kind, (value, value)))

    def test_limits_of_the_system_are_told_in_its_own_words(self):
        self.weft("train", "e.yaml", "-o", "run")
        before = bad.fingerprint(self.folder)
        outcome = self.limited(resource.RLIMIT_FSIZE, 2000, "train", "e.yaml", "-o", "small-files")
        self.assertEqual(outcome.code, 1, outcome)
        self.assertRegex(outcome.stderr, r"weft: small-files/[\w./]+: cannot write: File too large\n")
        subprocess.run(["rm", "-r", self.path("small-files")], check=True)
        os.utime(self.folder)
        self.assertEqual(bad.fingerprint(self.folder), before)
        outcome = self.limited(resource.RLIMIT_NOFILE, 4, "data", "info", "./set")
        self.assertIn(outcome.code, (0, 1), outcome)

    def test_variables_of_other_libraries_and_odd_places_change_nothing(self):
        self.assert_same("usual") if self.exists("usual") else self.weft("train", "e.yaml", "-o", "usual")
        for i, env in enumerate(({"OMP_NUM_THREADS": "100000"}, {"OMP_NUM_THREADS": "-1"}, {"OMP_NUM_THREADS": "abc"}, {"OPENBLAS_NUM_THREADS": "7"},
                                 {"TZ": "Mars/Olympus"}, {"TZ": ":/dev/zero"}, {"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "tr_TR.UTF-8"}, {"LC_ALL": "nonsense"},
                                 {"LANG": "\x1b[2J"}, {"HOME": None}, {"HOME": "/nowhere"}, {"TERM": None}, {"COLUMNS": "-1"}, {"PATH": None},
                                 {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-AVX2"})):
            with self.subTest(env):
                outcome = self.measure("train", "e.yaml", "-o", f"run{i}", env=env)
                self.assertEqual(outcome.code, 0, outcome)
                self.assert_same(f"run{i}")

    def test_the_number_of_threads_has_a_limit(self):
        for threads in ("1025", "100000", "-1", "abc", "0", ""):
            row = bad.Row("", None, [" --threads takes a whole number from 1 to 1024", f'"{threads}"'])
            before = bad.fingerprint(self.folder)
            outcome = self.measure("train", "e.yaml", "-o", "run", "--threads", threads)
            self.assertEqual((outcome.code, outcome.stderr), (2, f'weft:{row.says[0]}, not "{threads}"\n'))
            self.assertEqual(bad.fingerprint(self.folder), before)

    @weft.unittest.skipIf(weft.EMULATOR or weft.SAN, "the library that sets the clock back is for this machine, and goes before a sanitizer's")
    def test_a_clock_that_is_set_back_changes_nothing(self):
        self.write("clock.c", CLOCK)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", self.path("clock.so"), self.path("clock.c")], check=True)
        outcome = self.measure("train", "e.yaml", "-o", "run", env={"LD_PRELOAD": self.path("clock.so")})
        self.assertEqual(outcome.code, 0, outcome)
        self.assert_same("run")
        for line in self.read_lines("run", "metrics.jsonl"):
            for name, seconds in line.items():
                if name.endswith("_seconds"):
                    self.assertTrue(0 <= seconds < 60, line)

    def test_a_user_s_own_files_are_not_written_over(self):
        for name in ("config.yaml", "model.safetensors", "best.safetensors", "report.html"):
            self.write(f"{name}.d/{name}", EXPERIMENT)
            row = bad.Row("", None, " is there already; choose another folder with -o, or have it replaced with --force$")
            self.check(row, f"{name}.d/{name}", "train", "e.yaml", "-o", f"{name}.d")
            self.assertEqual(self.measure("train", "e.yaml", "-o", f"{name}.d", "--force").code, 0)


weft.main()
