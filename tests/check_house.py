#!/usr/bin/python3
"""The house rules that a program can hold: what may lean on what, one symbol an instruction set's object, names that agree, sizes."""
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from tap import main

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD") or "build")

# A room, and the rooms whose headers it may include beside its own; what those may include it may, too.
ROOMS = {
    "base": [], "tensor": ["base"], "record": ["tensor"], "data": ["tensor"], "kernel": ["base"], "graph": ["tensor", "kernel"],
    "op": ["graph", "kernel"], "optim": ["base", "kernel"], "schedule": ["record"], "plan": ["op", "optim"],
    "train": ["plan", "schedule", "data", "record"], "measure": ["train"], "verify": ["train"], "lab": ["train"], "diagnose": ["record"], "report": ["base", "tensor", "diagnose"], "cli": ["measure", "verify", "lab", "report"],
}
INCLUDE = re.compile(r'^#include "(\w+)/(\w+)\.h"', re.MULTILINE)


def allowed(room):
    rooms = {room}
    for below in ROOMS[room]:
        rooms |= allowed(below)
    return rooms


def include_mistakes(path, text):
    """path: ROOM/FILE, below src."""
    room = path.split("/")[0]
    for other, header in INCLUDE.findall(text):
        if other == "gen":
            continue
        if other not in allowed(room):
            yield f"{path} includes {other}/{header}.h, but {room} may not lean on {other}"
        elif other != room and header != other:
            yield f"{path} includes {other}/{header}.h, which is private to {other}"


def long_functions(text, limit=60):
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            begin = number
        elif line == "}" and begin:
            if number - begin + 1 > limit:
                yield begin, number - begin + 1
            begin = None


def sources(pattern="src/*/*.[ch]"):
    for path in sorted(glob.glob(os.path.join(ROOT, pattern))):
        with open(path) as file:
            yield os.path.relpath(path, ROOT), file.read()


def symbols(path, *flags):
    done = subprocess.run(["nm", "--extern-only", *flags, path], stdout=subprocess.PIPE, check=True, text=True)
    return {line.split()[-1] for line in done.stdout.splitlines() if line.strip()}


class House(unittest.TestCase):
    def test_rooms_lean_on_those_below_them_only(self):
        self.assertEqual([m for path, text in sources() for m in include_mistakes(path[4:], text)], [])

    def test_every_room_is_known_and_has_its_header(self):
        self.assertEqual(sorted(ROOMS), sorted(os.listdir(os.path.join(ROOT, "src"))))
        for room in ROOMS:
            self.assertTrue(os.path.exists(os.path.join(ROOT, "src", room, room + ".h")), room)

    def test_the_layering_check_sees_a_violation(self):
        self.assertTrue(list(include_mistakes("kernel/kernel.c", '#include "train/train.h"\n')))
        self.assertTrue(list(include_mistakes("train/run.c", '#include "plan/passes.h"\n')))
        self.assertFalse(list(include_mistakes("plan/walk.c", '#include "plan/passes.h"\n#include "base/base.h"\n')))

    def test_file_names_are_unique(self):
        names = [os.path.basename(path) for path, _ in sources()]
        self.assertEqual(sorted(set(names)), sorted(names))

    def test_files_and_functions_are_of_a_readable_size(self):
        for path, text in sources():
            self.assertLessEqual(text.count("\n"), 300 if path.endswith(".h") else 800, path)
            self.assertEqual(list(long_functions(text)), [], path)
        for path in glob.glob(os.path.join(ROOT, "tests", "**", "*.[chp]*"), recursive=True):
            if path.endswith((".c", ".h", ".py")):
                with open(path) as file:
                    self.assertLessEqual(file.read().count("\n"), 800, path)
        self.assertTrue(list(long_functions("f()\n{\n" + "x;\n" * 60 + "}\n")))

    def test_what_registers_itself_is_named_as_its_file(self):
        for folder, prefix, kind in (("op", "", "op"), ("optim", "", "optim"), ("schedule", "", "schedule"), ("train", "listen_", "listen"), ("data", "format_", "format"),
                                     ("data", "image_", "image"), ("diagnose", "", "diagnosis"), ("cli", "cmd_", "cmd")):
            found = 0
            for path, text in sources(f"src/{folder}/{prefix}*.c"):
                name = os.path.basename(path)[len(prefix):-2]
                if prefix == "" and name == folder:
                    continue
                found += 1
                self.assertRegex(text, rf"\b{kind}_{name}\b", path)
                spelled = name.replace("_", "[_-]") if kind == "cmd" else name  # a symbol has no '-'
                self.assertRegex(text, rf'\.name = "{spelled}"|\{{"{spelled}"', path)
            self.assertTrue(found, folder)

    def test_the_library_neither_prints_nor_exits(self):
        forbidden = re.compile(r"\b(printf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort|fprintf)\(|\b(stdout|stderr)\b")
        for bad in ('printf("x");', "exit(1);", "fputs(s, stderr);"):
            self.assertTrue(forbidden.search(bad), bad)
        self.assertFalse(forbidden.search("text_printf(t); snprintf(b, 3);"))
        for path, text in sources():
            if not path.startswith("src/cli/"):
                self.assertEqual(forbidden.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)), [], path)

    def test_examples_use_the_public_header_alone(self):
        for path, text in sources("examples/*.c"):
            self.assertEqual(re.findall(r'#include "(.*)"', text), [], path)
            self.assertIn("#include <weft.h>", text, path)

    def test_no_flag_gives_up_exact_arithmetic(self):
        with open(os.path.join(ROOT, "Makefile")) as file:
            flags = re.sub(r"^#.*", "", file.read(), flags=re.MULTILINE)
        for flag in ("-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-fassociative-math"):
            self.assertNotIn(flag, flags)
        self.assertIn("-ffp-contract=off", flags)

    def test_security_md_tells_the_limits_of_the_source(self):
        """What the source says, and the row of the table that has it."""
        with open(os.path.join(ROOT, "SECURITY.md")) as file:
            rows = [line for line in file if line.startswith("| ")]
        texts = dict(sources())
        for path, says, what, limit in (
                ("src/data/dataset.c", "8 << 30", "a data file", "8 GiB"),
                ("src/data/dataset.c", "MAX_CLASSES = 1 << 16", "classes", "65536"),
                ("src/data/image.c", "FILE_LIMIT ((size_t)1 << 28)", "a picture", "256 MiB"),
                ("src/data/image.c", "MAX_PIXELS ((size_t)1 << 26)", "a picture", "2^26"),
                ("src/lab/experiment.c", "MAX_FILE_BYTES = 1 << 20", "an experiment file", "1 MiB"),
                ("src/lab/yaml.c", "MAX_DEPTH = 64, MAX_NODES = 100000, MAX_KEYS = 1000, MAX_SCALAR_BYTES = 1 << 16", "an experiment file",
                 "100000, 64, 1000, 64 KiB"),
                ("src/op/op.h", "MAX_LAYERS = 1000, MAX_BLOCK_DEPTH = 16", "a model:", "1000, 16, "),
                ("src/op/linear.c", ".max = 1 << 24", "a model:", "2^24"),
                ("src/op/linear.c", "(size_t)1 << 40", "a model:", "2^40"),
                ("src/tensor/safetensors.c", "MAX_FILE_BYTES ((size_t)8 << 30)", "a model file", "8 GiB"),
                ("src/tensor/safetensors.c", "MAX_DEPTH = 64,\n    MAX_TENSORS = 20000, ", "a model file", "20000, 64, "),
                ("src/tensor/safetensors.c", "MAX_NAME_BYTES = 4096", "a model file", "64, 4096"),
                ("src/lab/space.c", "MAX_DIMENSIONS = 32, MAX_TRIALS = 10000", "a sweep", "32, 10000"),
                ("src/lab/experiment.c", "MAX_SEEDS = 1000,\n    MAX_RUNS = 10000", "a sweep", "1000, 10000"),
                ("src/record/record.c", "RUN_JSON_LIMIT ((size_t)1 << 23)\n#define METRICS_LIMIT ((size_t)1 << 28)", "a run's record", "8 MiB; 256 MiB"),
                ("src/record/find.c", "MAX_DEPTH = 8", "folders", "8"),
                ("src/verify/bits.c", "LIMIT_BYTES = 64 << 20", "a table of bits", "64 MiB"),
                ("src/base/base.h", "MAX_THREADS 1024", "threads", "1024")):
            self.assertTrue(says in texts[path], f"{path}: {says}")
            self.assertTrue([row for row in rows if row.startswith(f"| {what}") and limit in row], f"SECURITY.md: {what}: {limit}")

    def test_nothing_is_left_behind_in_the_sources(self):
        for path, text in sources():
            self.assertNotRegex(text, r"#if 0|\b(TODO|FIXME|XXX)\b", path)


class Objects(unittest.TestCase):
    def setUp(self):
        """What is compiled for one instruction set or unit each: NAME.ISA.o."""
        isas, units = [], []
        for found, name in ((isas, "isa"), (units, "unit")):
            with open(os.path.join(BUILD, "gen", name + ".inc")) as file:
                found += re.findall(r"X\((\w+)\)", file.read())
        self.objects = [path for isa in isas + units for path in glob.glob(os.path.join(BUILD, "obj", "*", f"*.{isa}.o"))]
        self.assertGreater(len(self.objects), 8 * len(isas))

    def test_an_instruction_sets_object_exports_its_table_alone(self):
        for path in self.objects:
            own = {name for name in symbols(path, "--defined-only") if not name.startswith("__odr_asan")}  # the sanitizer's twin of each
            self.assertEqual(len(own), 1, f"{path}: {own}")

    def test_an_instruction_sets_object_calls_nobody_for_a_multiply_add_or_a_root(self):
        for path in self.objects:
            self.assertFalse(symbols(path, "--undefined-only") & {"fma", "fmaf", "sqrt", "sqrtf"}, path)

    @unittest.skipIf(os.environ.get("SAN"), "sanitizers export symbols of their own")
    def test_the_shared_library_exports_the_public_header_and_nothing_else(self):
        with open(os.path.join(ROOT, "include", "weft.h")) as file:
            declared = set(re.findall(r"^WEFT_API[^;]*?\b(weft_\w+)\(", file.read(), re.MULTILINE))
        self.assertEqual(symbols(os.path.join(BUILD, "libweft.so"), "--defined-only", "--dynamic"), declared)

    @unittest.skipIf(os.environ.get("SAN"), "sanitizers are built without what hardens")
    def test_what_is_installed_is_hardened(self):
        """Position-independent, every relocation read-only before main, no executable stack, canaries, checked copies."""
        for name, kind in (("weft", "Position-Independent Executable"), ("libweft.so", "Shared object")):
            path = os.path.join(BUILD, name)
            said = subprocess.run(["readelf", "-W", "-h", "-l", "-d", path], stdout=subprocess.PIPE, check=True, text=True).stdout
            self.assertIn(kind, said, name)
            self.assertIn("GNU_RELRO", said, name)
            self.assertRegex(said, r"FLAGS.* NOW|BIND_NOW", name)
            self.assertRegex(said, r"GNU_STACK .* RW ", name)
            self.assertIn("__stack_chk_fail", {s.split("@")[0] for s in symbols(path, "--undefined-only", "--dynamic")}, name)
            self.assertTrue([s for s in symbols(path, "--undefined-only", "--dynamic") if "_chk@" in s], name)


class PublicHeader(unittest.TestCase):
    def check(self, *command):
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            source.write("#include <weft.h>\nint main(void) { return 0; }\n")
            source.flush()
            done = subprocess.run([*command, "-fsyntax-only", "-I", os.path.join(ROOT, "include"), source.name], stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_it_is_plain_c17(self):
        self.check("cc", "-x", "c", "-std=c17", "-pedantic-errors", "-Wall", "-Wextra", "-Werror")

    @unittest.skipUnless(shutil.which("g++"), "there is no C++ compiler here")
    def test_it_is_cpp_too(self):
        self.check("g++", "-x", "c++", "-std=c++17", "-pedantic-errors", "-Wall", "-Wextra", "-Werror")


main()
