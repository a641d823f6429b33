#!/usr/bin/python3
"""weft verify: what it says where bits are the published ones, and where something made others."""
import json
import os
import shutil
import subprocess
import unittest

import weft

PUBLISHED = os.path.join(weft.ROOT, "src", "verify", "published.txt")
# A library of functions that gets one number of eight wrong by 2^-12 of it: on all threads, or on all but the first.
FAULTY = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <immintrin.h>
#include <unistd.h>

__m256 Sleef_finz_tanhf8_u10avx2(__m256 x)
{
    __m256 (*real)(__m256) = (__m256 (*)(__m256))dlsym(RTLD_NEXT, "Sleef_finz_tanhf8_u10avx2");
    __m256i y = _mm256_castps_si256(real(x));
    if (!OTHERS_ONLY || gettid() != getpid())
        y = _mm256_xor_si256(y, _mm256_setr_epi32(1 << 12, 0, 0, 0, 0, 0, 0, 0));
    return _mm256_castsi256_ps(y);
}
"""


def isas():
    return [isa for isa in weft.ISAS if weft.has_isa(isa)]


class Verify(weft.Case):
    def verify_json(self, *arguments, **options):
        return json.loads(self.weft("verify", "--json", *arguments, **options).stdout)

    def test_this_machine_makes_the_published_bits(self):
        said = self.weft("verify").stdout
        self.assertRegex(said, r"\nPASS: [^\n]*\n$")
        for isa in isas():
            for threads in (1, 2, 3, 8):
                self.assertRegex(said, rf"(?m)^{isa} +{threads} threads? +\d+ trainings, bits [0-9a-f]{{16}}  as published$")

    def test_the_published_table_is_what_is_printed(self):
        if len({isa == "v2" for isa in isas()}) < 2:
            self.skipTest("this CPU has one kind of arithmetic")
        with open(PUBLISHED) as file:
            self.assertTrue(self.weft("verify", "--print").stdout == file.read(), "src/verify/published.txt is stale; run: make published")

    def test_json_has_every_run_and_one_hash_a_kind(self):
        said = self.verify_json("--threads", "2")
        self.assertTrue(said["pass"])
        self.assertEqual([(run["isa"], run["threads"], run["pass"], run["differences"]) for run in said["runs"]],
                         [(isa, 2, True, []) for isa in isas()])
        for kind in ("fused", "unfused"):
            self.assertLessEqual(len({run["sha256"] for run in said["runs"] if run["kind"] == kind}), 1)

    def test_another_machines_table_is_held_against(self):
        self.write("here.txt", self.weft("verify", "--print").stdout)
        self.weft("verify", "--against", "here.txt", "--threads", "1")
        lines = self.read("here.txt").decode().splitlines(keepends=True)
        first = lines.index("optimizer adam\n") + 3  # its third step: the loss, 0.weight [2, 2], ...
        digits = list(lines[first])
        for at in (2, 2 + 16 + 1 + 3):
            digits[at] = "0" if digits[at] != "0" else "1"
        lines[first] = "".join(digits)
        self.write("there.txt", "".join(lines))
        said = self.weft("verify", "--against", "there.txt", "--threads", "1", code=1).stdout
        self.assertRegex(said, r"\n  optimizer adam: step 3: 0\.weight \[1, 1\] is \S+ \(0x[0-9a-f]{8}\), which is not the number of the table\n")
        self.assertIn("\nFAIL: ", said)

    def test_a_table_of_no_kind_that_this_cpu_has_is_no_pass(self):
        self.write("none.txt", "weft bits 1\n")
        self.assertIn("FAIL", self.weft("verify", "--against", "none.txt", code=1).stdout)
        self.assertFalse(self.verify_json("--against", "none.txt", code=1)["pass"])

    def test_a_training_that_the_table_lacks_is_a_difference(self):
        kept = self.weft("verify", "--print").stdout.replace("layer relu6 of 7 numbers\n", "layer relu7 of 7 numbers\n")
        self.write("older.txt", kept)
        differences = [d for run in self.verify_json("--against", "older.txt", "--threads", "1", code=1)["runs"] for d in run["differences"]]
        self.assertEqual({(d["training"], d["what"]) for d in differences}, {("layer relu6 of 7 numbers", "the table has no such training")})

    def test_bad_tables_are_refused(self):
        self.write("text.txt", "loss,accuracy\n")
        self.assertIn("text.txt:1: ", self.weft("verify", "--against", "text.txt", code=2).stderr)
        self.weft("verify", "--against", self.folder, code=2)
        self.weft("verify", "--against", "missing.txt", code=2)
        self.weft("verify", "--threads", "0", code=2)

    def faulty_library(self, others_only):
        if "v3" not in isas() or weft.SAN or weft.EMULATOR or not shutil.which("cc"):
            self.skipTest("the faulty functions are those of v3")
        source = self.write("faulty.c", FAULTY)
        library = self.path(f"faulty{others_only}.so")
        subprocess.run(["cc", "-O1", "-mavx2", f"-DOTHERS_ONLY={others_only}", "-shared", "-fPIC", "-o", library, source], check=True)
        return {"LD_PRELOAD": library}

    def differing(self, said):
        return {(run["isa"], run["threads"]): {d["training"]: d for d in run["differences"]} for run in said["runs"]}

    def test_a_library_with_other_functions_is_found_by_the_layers_that_ask_it(self):
        found = self.differing(self.verify_json(env=self.faulty_library(0), code=1))
        for (isa, _), trainings in found.items():
            self.assertEqual(bool(trainings), isa == "v3", isa)
        for trainings in (found["v3", threads] for threads in (1, 2, 3, 8)):
            self.assertEqual(trainings["layer tanh of 7 numbers"]["step"], 1)
            self.assertEqual(trainings["layer tanh of 7 numbers"]["tensor"], "loss")
            for layer in ("relu", "sigmoid", "softmax", "gelu"):
                self.assertNotIn(f"layer {layer} of 48 numbers", trainings)

    def test_a_fault_of_one_thread_shows_where_there_are_more(self):
        found = self.differing(self.verify_json(env=self.faulty_library(1), code=1))
        self.assertEqual(found["v3", 1], {})
        self.assertTrue(any("tanh" in name for name in found["v3", 8]))

    @unittest.skipUnless(weft.ARCH == "x86_64" and not weft.SAN and shutil.which("qemu-x86_64"), "there is no emulator for old CPUs here")
    def test_older_cpus_make_the_published_bits(self):
        for cpu, expected in (("Nehalem", ["v2"]), ("Haswell", ["v2", "v3"])):
            said = self.verify_json("--threads", "1", emulator=["qemu-x86_64", "-cpu", cpu])
            self.assertEqual(([run["isa"] for run in said["runs"]], said["pass"]), (expected, True), cpu)


if __name__ == "__main__":
    weft.main()
