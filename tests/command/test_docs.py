#!/usr/bin/python3
"""What the documentation shows is run as it stands there: sh blocks in order, in one copy of the tree a document; yaml blocks as experiment
files; C blocks are compiled against the public header, and run. A block behind '<!-- not run: WHY -->' is left out."""
import glob
import os
import re
import shutil
import subprocess

import weft

BLOCK = re.compile(r"(<!-- not run: [^>]+ -->\n)?^```(sh|yaml|c)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COPIED = ["src", "include", "tests", "examples", "recipes", "scripts", "bench", "fuzz", "Makefile"]


def documents():
    return [os.path.join(weft.ROOT, name) for name in ("README.md", "CONTRIBUTING.md")] + sorted(glob.glob(weft.ROOT + "/docs/*.md"))


def blocks(document, language):
    with open(document) as file:
        return [body for skipped, kind, body in BLOCK.findall(file.read()) if kind == language and not skipped]


class Docs(weft.Case):
    def copy_tree(self):
        """With what is built already, so that only what a document adds is built. A sanitizer's build is not what documents speak of."""
        for name in COPIED:
            source = os.path.join(weft.ROOT, name)
            if os.path.isdir(source):
                shutil.copytree(source, self.path(name), symlinks=True)
            elif os.path.exists(source):
                shutil.copy2(source, self.path(name))
        if not weft.SAN and os.path.abspath(weft.BUILD) == os.path.join(weft.ROOT, "build"):
            shutil.copytree(weft.BUILD, self.path("build"), symlinks=True, ignore=shutil.ignore_patterns("aarch64", "sysroot-*", "san-*", "matrix"))

    def run_it(self, command, what):
        env = weft.environment(self.folder, {"PATH": self.path("build") + ":" + os.environ["PATH"], "MAKEFLAGS": "-j2"})
        done = subprocess.run(command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=1800)
        self.assertEqual(done.returncode, 0, f"{what}\n{done.stdout.decode(errors='replace')[-3000:]}")

    def test_there_is_something_to_run(self):
        for name in ("README.md", "CONTRIBUTING.md"):
            self.assertTrue(blocks(os.path.join(weft.ROOT, name), "sh"), name)

    def test_commands_run(self):
        for document in documents():
            with self.subTest(os.path.basename(document)):
                self.copy_tree()
                if not os.path.exists(self.path("build", "weft")):
                    self.run_it(["make"], "make")
                for body in blocks(document, "sh"):
                    self.run_it(["sh", "-eu", "-c", body], body)
                for name in os.listdir(self.folder):
                    path = self.path(name)
                    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

    def test_experiment_files_are_read(self):
        for document in documents():
            for i, body in enumerate(blocks(document, "yaml")):
                name = self.write(f"{os.path.basename(document)}-{i}.yaml", body)
                variants = re.findall(r"^  (\w+): *\{", body.partition("variants:")[2], re.MULTILINE) if "variants:" in body else []
                if "sweep:" in body:
                    self.weft("compare", name, "--dry-run")
                else:
                    self.weft("summary", name, *(["--variant", variants[0]] if variants else []))

    def test_programs_compile_and_run(self):
        for document in documents():
            for i, body in enumerate(blocks(document, "c")):
                source, program = self.write(f"{i}.c", body), self.path(f"{i}")
                libraries = subprocess.run(["make", "-s", "-C", weft.ROOT, "print-libs"], stdout=subprocess.PIPE, check=True).stdout.decode().split()
                sanitize = [f"-fsanitize={weft.SAN}"] if weft.SAN else []
                self.run_it(["cc", "-std=c17", *sanitize, "-I", os.path.join(weft.ROOT, "include"), "-o", program, source,
                             os.path.join(weft.BUILD, "libweft.a"), *libraries], body)
                self.run_it([program], body)


weft.main()
