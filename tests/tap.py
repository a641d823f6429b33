"""Runs the unittest tests of a Python file and prints TAP, as the C tests do: one line a test, what went wrong behind it.

    if __name__ == "__main__":
        tap.main()

Arguments are words: only tests that have one of them in their name are run.
"""
import os
import sys
import time
import unittest


class _Result(unittest.TestResult):
    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.begin = 0.0
        self.broken = set()  # tests that failed already, in a part of theirs

    def _say(self, good, test, note="", details=""):
        name = test.id().split(".", 1)[-1]
        self.stream.write(f"{'ok' if good else 'not ok'} {self.testsRun} - {name}{note}\n")
        for line in details.splitlines():
            self.stream.write(f"# {line}\n")
        self.stream.flush()

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def addSuccess(self, test):
        if test not in self.broken:
            self._say(True, test, f" ({time.monotonic() - self.begin:.1f} s)")

    def _fail(self, test, err):
        if isinstance(test, unittest.suite._ErrorHolder):  # the set-up of a class or of a file: its tests are not run
            self.testsRun += 1
        self.broken.add(test)
        self._say(False, test, details=self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        first = test not in self.broken
        self.broken.add(test)
        if first:
            self._say(False, test)
        self.stream.write(f"# in {subtest._subDescription()}:\n")
        for line in self._exc_info_to_string(err, test).splitlines():
            self.stream.write(f"# {line}\n")
        self.stream.flush()

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if isinstance(test, unittest.suite._ErrorHolder):
            self.testsRun += 1
        self._say(True, test, f" # SKIP {reason}")


def _flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flatten(test)
        else:
            yield test


def main():
    sys.stdout.reconfigure(errors="backslashreplace")
    module = sys.modules["__main__"]
    module.__file__ = os.path.abspath(module.__file__)
    words = sys.argv[1:]
    found = _flatten(unittest.defaultTestLoader.loadTestsFromModule(module))
    tests = [test for test in found if not words or any(word in test.id() for word in words)]
    print(f"1..{len(tests)}", flush=True)
    result = _Result(sys.stdout)
    unittest.TestSuite(tests).run(result)
    sys.exit(0 if result.wasSuccessful() and tests else 1)
