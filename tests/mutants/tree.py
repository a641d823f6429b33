"""A copy of the sources, in which mistakes are made; how it is built with one, and what is run in it."""
import collections
import concurrent.futures
import contextlib
import filecmp
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys

HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ["src", "include", "tests", "fuzz", "examples", "recipes", "bench", "scripts", "docs",
           "Makefile", "README.md", "CONTRIBUTING.md", "SECURITY.md"]
LARGEST_FILE_BYTES = 4 << 30  # what a mutant may write
HANGS_S = 600
ENVIRONMENT = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP", "PYTHONDONTWRITEBYTECODE": "1", "MAKEFLAGS": ""}
UNCACHED = {**ENVIRONMENT, "CCACHE_DISABLE": "1"}  # nobody builds a mutant twice


class DoesNotCompile(Exception):
    pass


def files_of(folder, name):
    top = os.path.join(folder, name)
    return {os.path.relpath(os.path.join(place, file), folder)
            for place, _, files in os.walk(top) if "__pycache__" not in place for file in files} or {name}


def copied(name):
    """A copy of the sources for `name`, below build. What is the same already keeps its time, so that a build goes on where it was."""
    root = os.path.join(HOME, "build", "mutants", name)
    for part in FOLDERS:
        wanted = files_of(HOME, part)
        for file in wanted:
            source, target = os.path.join(HOME, file), os.path.join(root, file)
            if not os.path.exists(target) or not filecmp.cmp(source, target, shallow=False):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy(source, target)
        for file in files_of(root, part) - wanted:
            os.remove(os.path.join(root, file))
    return root


@contextlib.contextmanager
def changed(root, file, text):
    """The file of the copy holds `text` for a while."""
    path = os.path.join(root, file)
    shutil.copy2(path, path + ".original")
    with open(path, "w") as f:
        f.write(text)
    try:
        yield
    finally:
        os.replace(path + ".original", path)


def read_json(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def limits(cpu_s):
    def set_them():
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE_BYTES, LARGEST_FILE_BYTES))
        if cpu_s:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    return set_them


def run(command, root, environment=ENVIRONMENT, cpu_s=0, wall_s=None):
    """What it did; what spins is stopped after `cpu_s` of a processor. Raises subprocess.TimeoutExpired for what hangs."""
    process = subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               preexec_fn=limits(cpu_s), process_group=0)  # no session of its own: it stays as nice as this is
    try:
        output, _ = process.communicate(timeout=wall_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, output.decode(errors="replace"))


def fails(command, root, cpu_s):
    """Whether a test notices; by not coming to an end, too."""
    try:
        return run(command, root, cpu_s=cpu_s, wall_s=HANGS_S).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def code_of(root, made):
    """An object without what debuggers read."""
    plain = os.path.join(root, "build", "plain.o")
    subprocess.run(["strip", "-g", "-o", plain, os.path.join(root, made)], check=True)
    with open(plain, "rb") as f:
        return f.read()


class Builder:
    """How make builds each object and links each program, asked once; the library and the tests' objects are built once, too."""

    def __init__(self, root, real="float"):
        self.root, self.flags, self.folder = root, [f"REAL={real}", "ALSO="], "build/double" if real == "double" else "build"
        self.make("-j2", "all")
        self.objects, self.programs = {}, {}
        for line in self.make("-Bn", "V=1", "all", "tests").splitlines():
            words = shlex.split(line) if f" -o {self.folder}/" in line else []
            made = words[words.index("-o") + 1] if words else ""
            if made.startswith(f"{self.folder}/obj/"):
                self.objects[made] = words
            elif made and not made.endswith((".o", ".so")):
                self.programs[made] = words
        self.uses = collections.defaultdict(list)  # {source or header: objects}
        for made in self.objects:
            with open(os.path.join(root, made[:-2] + ".d")) as f:
                for word in set(f.read().replace("\\\n", " ").split(":", 2)[1].split()):
                    self.uses[word].append(made)
        for made, words in self.programs.items():
            if any(word.startswith(f"{self.folder}/fuzz/") for word in words):
                self.make("-j2", made)  # it needs more than the library
        self.library = f"{self.folder}/plain.a"
        self.must(["strip", "-g", "-o", self.library, f"{self.folder}/libweft.a"])
        os.makedirs(os.path.join(root, self.folder, "tests"), exist_ok=True)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.programs = dict(pool.map(self.compile_once, self.programs.items()))

    def must(self, words):
        done = run(words, self.root)
        if done.returncode:
            sys.exit(f"the source does not build as it is:\n{shlex.join(words)[:200]}\n{done.stdout[-2000:]}")
        return done.stdout

    def make(self, *words):
        return self.must(["make", "--no-print-directory", *self.flags, *words])

    def compile_once(self, program):
        """A test is compiled once, and linked with each mutant."""
        made, words = program
        source = next((word for word in words if word.endswith(".c")), None)
        if source:
            self.must([*words[:words.index("-o")], "-g0", "-c", "-o", made + ".o", source])
            words = [made + ".o" if word == source else word for word in words]
        return made, [self.library if word.endswith("/libweft.a") else word for word in words]

    def rebuilt(self, root, file):
        """The objects of a changed file whose code is another now, in a copy of what was built."""
        different = []
        for made in self.uses[file]:
            new = f"build/mutant/{made}"
            os.makedirs(os.path.dirname(os.path.join(root, new)), exist_ok=True)
            if run([new if word == made else word for word in self.objects[made]], root, UNCACHED).returncode:
                raise DoesNotCompile
            if code_of(root, new) != code_of(root, made):
                different.append(new)
        return different

    def link(self, root, made, objects):
        """Links a program: objects that come before the library are taken instead of its own."""
        words = self.programs[made]
        at = words.index(self.library)
        if run([*words[:at], *objects, *words[at:]], root, UNCACHED).returncode:
            raise DoesNotCompile
