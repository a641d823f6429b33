#!/usr/bin/python3
"""The reference: what the program says of itself, and the page that has the same."""
import os

import weft


class Reference(weft.Case):
    def test_the_page_in_docs_is_what_the_command_prints(self):
        with open(os.path.join(weft.ROOT, "docs", "reference.md")) as file:
            self.assertEqual(self.weft("reference").stdout, file.read(), "docs/reference.md is stale; run: make reference")

    def test_single_entries_can_be_asked_for(self):
        said = self.weft("reference", "adam", "linear").stdout
        self.assertEqual([line for line in said.splitlines() if line.startswith("#")], ["### linear", "### adam"])
        self.assertIn("| `betas` | two numbers, at least 0 and below 1 | `[0.9, 0.999]` |", said)

    def test_every_key_has_a_line_of_help_and_no_cell_too_many(self):
        for line in self.weft("reference").stdout.splitlines():
            if line.startswith("| "):
                cells = line.replace("\\|", "").split("|")[1:-1]
                self.assertEqual(len(cells), 4, line)
                self.assertTrue(cells[0] == " key " or cells[3].strip(), line)

    def test_an_unknown_name_is_refused(self):
        self.weft("reference", "adma", code=2)


weft.main()
