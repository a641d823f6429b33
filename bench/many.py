"""Many runs at once: trials of one epoch through `weft compare` against two processes of the peers', a thread each; memory a trial."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

from tools import best_setup, left_out, program, ratio_of, show_ratio, side_by_side, torch_command, torch_setups

TRIALS, PROCESSES, TORCH_BAR = 8, 2, 0.45
EXPERIMENT = """\
title: Many trials at once
data: {{set: fashion-mnist, scale: 255}}
model: [linear 1000, relu, linear 10]
loss: cross_entropy
optimizer: {{name: sgd, lr: 0.01}}
train: {{epochs: 1, batch: 32, shuffle: true}}
seeds: {seeds}
"""


def compare(build, *options):
    """Seconds and peak memory in bytes of the whole command, from reading the data to drawing its figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "many.yaml")
        with open(path, "w") as file:
            file.write(EXPERIMENT.format(seeds=list(range(1, TRIALS + 1))))
        command = [os.path.join(build, "weft"), "compare", path, "-q", "-o", os.path.join(folder, "out"), *map(str, options)]
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"bench: exit code {child.returncode} from {' '.join(command)}")
        return time.perf_counter() - begin, usage.ru_maxrss * 1024


def slowest(commands):
    """The seconds that the slower process spends on its trials; starting up and loading are given to it."""
    results = side_by_side(commands)
    return max(sum(r["seconds"]) + sum(r.get("evaluate_seconds", [])) for r in results)


def show_memory(build):
    few, many = (compare(build, "--jobs", jobs, "--set", "train.max_steps=50")[1] for jobs in (2, TRIALS))
    print(f"  peak memory: {few / 2**20:.0f} MB with two trials at a time, {(many - few) / (TRIALS - 2) / 2**20:.1f} MB for each further one")


def run(build, rounds):
    print(f"{TRIALS} trials of one epoch of 784-1000-10 SGD, evaluated on both splits, two at a time; medians of {rounds} rounds")
    contenders = {"weft": lambda: compare(build)[0]}
    setups = torch_setups(1)
    if setups:
        name, form = best_setup("sgd", setups)
        commands = [torch_command("sgd", setups[name], TRIALS // PROCESSES, *form, "--trials")] * PROCESSES
        contenders["PyTorch, two processes"] = lambda: slowest(commands)
    else:
        left_out("PyTorch", "python3-torch python3-numpy libopenblas0-pthread libblis4-pthread")
    if program(build, "xsmm_pass"):
        command = [program(build, "xsmm_pass"), "sgd", 1, TRIALS // PROCESSES, "evaluate"]
        contenders["libxsmm, two processes"] = lambda: slowest([(command, {})] * PROCESSES)
    seconds = {who: [] for who in contenders}
    for _ in range(rounds):
        for who, measure_it in contenders.items():
            seconds[who].append(measure_it())
    for who, runs in seconds.items():
        print(f"  {who:40} {statistics.median(runs):7.3f} s")
        if who != "weft":
            show_ratio(f"weft / {who}", ratio_of(seconds["weft"], runs), TORCH_BAR if who.startswith("PyTorch") else None)
    show_memory(build)
    print(flush=True)
