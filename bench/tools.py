"""What the parts of the bench share: running programs, PyTorch's set-ups, how busy the machine is otherwise."""
import glob
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's PyTorch
THREADS = 2
STEPS = 1875  # of a pass
TITLES = {"sgd": "784-1000-10 SGD", "adam": "784-1000-10 Adam", "deep": "784-1000-512-10 Adam"}

# What finds PyTorch's fastest set-up. Two pools of threads on too few cores can take for ever.
PROBE_STEPS, PROBE_PASSES, PATIENCE = 200, 3, 30

# Folder of a BLAS, its threads, PyTorch's threads.
SETUPS = [("openblas-pthread", 1, 1), ("openblas-pthread", 1, 2), ("openblas-pthread", 2, 1), ("blis-pthread", 1, 1), ("blis-pthread", 2, 1),
          ("blis-pthread", 2, 2), ("blis-openmp", 2, 2)]
# Gradients are allocated anew in every step; without these their pages go back to the kernel each time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Machine:
    """How many cores were busy with something else since it was made."""

    def __init__(self):
        self.begin, self.busy, self.own = time.monotonic(), self.busy_seconds(), self.own_seconds()

    @staticmethod
    def busy_seconds():
        with open("/proc/stat") as stat:
            user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def own_seconds():
        return sum(os.times()[:4])

    def others(self):
        return max(0, self.busy_seconds() - self.busy - self.own_seconds() + self.own) / (time.monotonic() - self.begin)


# ---- Running ----

def start(command, env=None, stdin=None):
    return subprocess.Popen([str(word) for word in command], env={**os.environ, **(env or {})}, stdin=stdin, stdout=subprocess.PIPE)


def finish(process, given=None, patience=None):
    """What it printed; None when it took more than `patience` seconds."""
    try:
        out, _ = process.communicate(given, patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    if process.returncode:
        sys.exit(f"bench: exit code {process.returncode} from {' '.join(process.args)}")
    return json.loads(out)


def measure(command, env=None, patience=None):
    return finish(start(command, env), None, patience)


def side_by_side(commands):
    """commands: [(command, environment)]. All at once."""
    return [finish(process) for process in [start(*each) for each in commands]]


def program(build, name):
    """A program of the bench; None where the library it stands on was not here."""
    path = os.path.join(build, "bench", name)
    return path if os.path.exists(path) else None


def weft_pass(build, network, threads=THREADS, passes=1, *more):
    return measure([program(build, "weft_pass"), network, threads, passes, *more])


def has(*modules):
    return subprocess.run([PYTHON, "-c", "import " + ", ".join(modules)], stderr=subprocess.DEVNULL).returncode == 0


def left_out(what, package):
    print(f"{what} is not here and is left out; apt-get install {package}")


# ---- PyTorch ----

def blas_environment(library, blas_threads, threads):
    return {"LD_LIBRARY_PATH": os.path.dirname(library), "OPENBLAS_NUM_THREADS": str(blas_threads), "BLIS_NUM_THREADS": str(blas_threads),
            "OMP_NUM_THREADS": str(threads), **KEEP_MEMORY}


def torch_setups(most_threads=THREADS):
    """{name: (environment, PyTorch's threads)}, for what is here."""
    setups = {}
    for blas, blas_threads, threads in SETUPS:
        if max(blas_threads, threads) <= most_threads:
            for library in glob.glob(f"/usr/lib/*/{blas}/libblas.so.3"):
                setups[f"{blas} {blas_threads}, PyTorch {threads}"] = (blas_environment(library, blas_threads, threads), threads)
    return setups if setups and has("torch", "numpy") else {}


def torch_command(network, setup, passes, *more):
    env, threads = setup
    return [PYTHON, os.path.join(HERE, "torch_pass.py"), network, threads, passes, *more], env


def check_blas(result, env):
    if not any(path.startswith(env["LD_LIBRARY_PATH"]) for path in result["blas"]):
        sys.exit(f"bench: PyTorch did not load {env['LD_LIBRARY_PATH']}, but {result['blas']}")
    return result


def best_setup(network, setups):
    """The name of the fastest for a network, and the arguments for its optimizer's form. Prints all of them."""
    print(f"PyTorch's set-ups, {TITLES[network]}, a pass reckoned from {PROBE_STEPS} steps (BLAS threads, PyTorch threads)")
    seconds = {}
    for name, setup in setups.items():
        for form in ((), ("--foreach",)):
            result = measure(*torch_command(network, setup, PROBE_PASSES, *form, "--steps", PROBE_STEPS), PATIENCE)
            if result:
                seconds[name, form] = min(check_blas(result, setup[0])["seconds"]) * STEPS / PROBE_STEPS
            print(f"  {name + (', foreach' if form else ''):40} "
                  + (f"{seconds[name, form]:7.2f} s" if result else f"more than {PATIENCE} s, threads that wait for each other"), flush=True)
    print()
    return min(seconds, key=seconds.get)


# ---- Figures ----

def ratio_of(ours, theirs):
    """The median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def show_ratio(what, ratio, bar):
    held = "" if bar is None else f"   at most {bar}" + ("" if ratio <= bar else "   MISSED")
    print(f"  {what:75} {ratio:7.3f}{held}")
