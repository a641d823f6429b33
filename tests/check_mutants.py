#!/usr/bin/python3
"""The mutants themselves: those written by hand still fit the source, and the automatic ones are the mistakes that they say."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

import tap

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mutants")
sys.path.insert(0, FOLDER)
import tree  # noqa: E402
from candidates import candidates  # noqa: E402

SOURCE = """\
static size_t f(const int *p, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i] * 3; /* not a < b */
    if (!n || sum == 7)
        return MIN(n, sum);
    g("a < b",
      true);
    return sum;
}
"""
CHANGES = """\
3: 0 becomes 1
4: 0 becomes 1
4: < becomes <=
4: ++ becomes --
5: statement dropped
5: += becomes -=
5: * becomes /
5: 3 becomes (3 + 1)
5: 3 becomes (3 - 1)
6: condition negated
6: ! becomes nothing
6: || becomes &&
6: == becomes !=
6: 7 becomes (7 + 1)
6: 7 becomes (7 - 1)
7: statement dropped
7: MIN becomes MAX
8: statement dropped
9: true becomes false
"""


def script(name):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(FOLDER, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def mutated(one):
    return SOURCE[:one.begin] + one.new + SOURCE[one.end:]


class Mutants(unittest.TestCase):
    def test_each_written_by_hand_fits_its_source(self):
        for file, old, new, tests, what in script("run").MUTANTS:
            with self.subTest(what), open(os.path.join(tree.HOME, file)) as f:
                self.assertEqual(f.read().count(old), 1, f"how often this stands in {file}: {old}")
                for test in tests.split():
                    self.assertTrue(os.path.exists(os.path.join(tree.HOME, "tests", os.path.basename(test) + ".c")), test)

    def test_the_automatic_ones_are_every_small_mistake(self):
        self.assertEqual("".join(sorted(f"{one.number}: {one.change}\n" for one in candidates(SOURCE))), "".join(sorted(CHANGES.splitlines(True))))

    def test_lines_stay_where_they_are(self):
        for one in candidates(SOURCE):
            self.assertEqual(mutated(one).count("\n"), SOURCE.count("\n"), one.change)
            self.assertNotEqual(mutated(one), SOURCE)

    def test_what_is_dropped_or_negated_is_all_of_it(self):
        made = [mutated(one) for one in candidates(SOURCE)]
        for text in ("    if (!(!n || sum == 7))\n", "    for (size_t i = 0; i < n; i++)\n        ; /* not", "    ;\n\n    return sum;"):
            self.assertEqual(sum(text in one for one in made), 1, text)

    def test_a_seed_draws_the_same_ones(self):
        auto = script("auto")
        files = {file: group for file, group in auto.groups_of_files().items() if group == "loss"}
        drawn = auto.draw(files, 40, 1)
        self.assertEqual(len(drawn), 40)
        self.assertEqual(drawn, auto.draw(files, 40, 1))
        self.assertNotEqual(drawn, auto.draw(files, 40, 2))

    def test_survivors_that_are_explained_are_there(self):
        auto = script("auto")
        self.assertEqual(auto.stale(auto.read_survivors()), [])


if __name__ == "__main__":
    tap.main()
