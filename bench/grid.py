"""Steps of many shapes: weft against PyTorch's best set-up for each of them, and weft's sizes against their neighbours."""
import os
import subprocess

from tools import HERE, PYTHON, THREADS, check_blas, finish, left_out, program, start, torch_setups

# Seconds for a case, in each set-up. The two programs are given the cases in turns of a few, so that both meet the same machine.
BUDGET, TURN = 0.2, 14
WORST_BAR, CLIFF_BAR = 1.0, 1.3

# Optimizer, batch, and the sizes of the layers.
CASES = [
    *(("sgd", batch, (784, 1000, 10)) for batch in (1, 2, 7, 32, 33, 100, 1000, 10000)),
    *(("adam", batch, (784, 1000, 10)) for batch in (1, 7, 32, 1000)),
    *(("sgd", 32, (784, width, 10)) for width in (1, 3, 17, 100, 257, 1023, 4096, 8192)),
    *(("sgd", 32, (inputs, 256, 10)) for inputs in (1, 3, 17, 8192)),
    *(("sgd", 32, (256, 256, outputs)) for outputs in (1, 2, 1000, 8192)),
    ("sgd", 1, (4096, 4096, 10)), ("adam", 33, (1023, 257, 17, 3)), ("sgd", 10000, (17, 100, 3)), ("adam", 10000, (3, 17, 1)),
    *(("sgd", 32, (784, *[256] * depth, 10)) for depth in (0, 2, 4, 7)),
    *(("adam", 100, (100, *[width] * 7, 10)) for width in (17, 100, 257)),
    ("sgd", 1000, (1000, 1000, 1000, 10)), ("adam", 32, (784, 1000, 512, 10)), ("sgd", 2, (8192, 1, 2)),
]

NEIGHBOURS = {
    "batch": ("sgd {} 784 1000 10", [(31, 32, 33), (47, 48, 49), (63, 64, 65), (95, 96, 97), (127, 128, 129), (999, 1000, 1001)]),
    "hidden units": ("sgd 32 784 {} 10", [(15, 16, 17), (47, 48, 49), (95, 96, 97), (127, 128, 129), (255, 256, 257), (1000, 1001)]),
    "units, two layers": ("adam 32 256 {0} {0} 10", [(15, 16, 17), (47, 48, 49), (95, 96, 97), (127, 128, 129), (255, 256, 257), (1000, 1001)]),
    "inputs": ("sgd 32 {} 512 10", [(15, 16, 17), (47, 48, 49), (127, 128, 129), (255, 256, 257), (783, 784, 785)]),
}


def line_of(case):
    name, batch, sizes = case
    return " ".join(map(str, (name, batch, *sizes)))


def flops(line):
    """Of a step: forward, the weights' gradient, and the gradient of what goes into every layer but the first."""
    batch, *sizes = map(int, line.split()[1:])
    products = [n_in * n_out for n_in, n_out in zip(sizes, sizes[1:])]
    return 2 * batch * (3 * sum(products) - products[0])


def weft_steps(build, lines):
    done = subprocess.run([program(build, "weft_grid"), str(THREADS), str(BUDGET)], input="\n".join(lines) + "\n", stdout=subprocess.PIPE,
                          check=True, text=True)
    return [float(number) for number in done.stdout.split()]


def torch_steps(setup, lines):
    env, threads = setup
    process = start([PYTHON, os.path.join(HERE, "torch_grid.py"), threads, BUDGET], env, stdin=subprocess.PIPE)
    result = finish(process, ("\n".join(lines) + "\n").encode())
    return check_blas(result, env)["microseconds"]


def show_cases(build):
    setups = torch_setups()
    if not setups:
        left_out("PyTorch", "python3-torch python3-numpy libopenblas0-pthread libblis4-pthread")
    lines = [line_of(case) for case in CASES]
    print(f"steps of many shapes, {THREADS} threads: optimizer, batch, sizes; microseconds a step, of the fastest of many short rounds")
    print(f"  {'':48} {'weft':>11} {'PyTorch':>11}  {'ratio':>6}  PyTorch's best set-up")
    worst = []
    for first in range(0, len(lines), TURN):
        some = lines[first:first + TURN]
        weft = weft_steps(build, some)
        torch = {name: torch_steps(setup, some) for name, setup in setups.items()}
        for i, line in enumerate(some):
            best = min(torch, key=lambda name: torch[name][i], default=None)
            theirs = torch[best][i] if best else float("nan")
            print(f"  {line:48} {weft[i]:11.1f} {theirs:11.1f}  {weft[i] / theirs:6.3f}  {best or ''}", flush=True)
            if best:
                worst.append((weft[i] / theirs, line))
    if worst:
        ratio, line = max(worst)
        print(f"  the worst of {len(worst)}: {line} takes {ratio:.3f} of PyTorch's time   at most {WORST_BAR}"
              + ("" if ratio <= WORST_BAR else "   MISSED"))
    print()


def show_neighbours(build):
    print(f"neighbouring sizes, {THREADS} threads: picoseconds a floating-point operation")
    cliffs = []
    for what, (form, groups) in NEIGHBOURS.items():
        for group in groups:
            lines = [form.format(size) for size in group]
            each = [1e6 * us / flops(line) for us, line in zip(weft_steps(build, lines), lines)]
            print(f"  {what:18} " + "   ".join(f"{size:4}: {ps:8.2f}" for size, ps in zip(group, each)), flush=True)
            cliffs += [(max(a, b) / min(a, b), f"{what} {m} to {n}") for a, b, m, n in zip(each, each[1:], group, group[1:])]
    cliff, where = max(cliffs)
    print(f"  the steepest: {where}, {cliff:.2f}   at most {CLIFF_BAR}" + ("" if cliff <= CLIFF_BAR else "   MISSED") + "\n")


def run(build):
    show_cases(build)
    show_neighbours(build)
