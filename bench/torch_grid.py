#!/usr/bin/python3
"""Times training steps of any network with PyTorch, as weft_grid does: torch_grid.py THREADS SECONDS < cases.

A case is a line: optimizer batch inputs units... outputs. Prints one JSON object: microseconds of each case's step, and what BLAS it was."""
import json
import sys
import time

import torch

from torch_pass import layers_of, loaded_blas

OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
RATE = 1e-5
ROUND = 2e-3  # seconds


def best_step(step, budget):
    begin = time.perf_counter()
    step()
    first = time.perf_counter()
    step()
    best = time.perf_counter() - first
    steps = 1 if best > ROUND else int(ROUND / best) + 1
    while time.perf_counter() - begin < budget:
        start = time.perf_counter()
        for _ in range(steps):
            step()
        best = min(best, (time.perf_counter() - start) / steps)
    return best


def run_case(line, budget):
    name, *numbers = line.split()
    batch, *sizes = map(int, numbers)
    model = layers_of(sizes)
    optimizer = OPTIMIZERS[name](model.parameters(), lr=RATE)
    x, y = torch.rand(batch, sizes[0]), torch.randint(sizes[-1], (batch,))

    def step():
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return best_step(step, budget)


def main():
    torch.set_flush_denormal(True)
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(1)
    microseconds = [1e6 * run_case(line, float(sys.argv[2])) for line in sys.stdin]
    print(json.dumps({"microseconds": microseconds, "blas": loaded_blas()}))


if __name__ == "__main__":
    main()
