#!/usr/bin/python3
"""Times training passes over Fashion-MNIST with PyTorch: torch_pass.py NETWORK THREADS PASSES [--foreach] [--steps N].

Written as its best set-up: all samples in one float tensor, a batch picked by index_select, denormals flushed, no DataLoader and no
.item() in the loop. Which BLAS is used, and with how many threads, is the environment's affair (bench/run sets it); what was truly
loaded is printed. Prints one JSON object."""
import argparse
import gzip
import json
import os
import time

import numpy
import torch

# The same names and settings are in weft_pass.c.
NETWORKS = {
    "sgd": ([784, 1000, 10], lambda p, **how: torch.optim.SGD(p, lr=0.01, **how)),
    "adam": ([784, 1000, 10], lambda p, **how: torch.optim.Adam(p, lr=0.001, **how)),
    "deep": ([784, 1000, 512, 10], lambda p, **how: torch.optim.Adam(p, lr=0.001, **how)),
}
BATCH = 32


def load():
    places = [os.environ.get("WEFT_DATA"), os.environ.get("XDG_DATA_HOME") and os.environ["XDG_DATA_HOME"] + "/weft", "/usr/share/datasets"]
    folder = next(p for p in (os.path.join(p, "fashion-mnist") for p in places if p) if os.path.isdir(p))

    def read(name, header):
        with gzip.open(os.path.join(folder, name)) as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=header)

    x = torch.from_numpy(read("train-images-idx3-ubyte.gz", 16).astype(numpy.float32).reshape(-1, 784)) / 255
    return x, torch.from_numpy(read("train-labels-idx1-ubyte.gz", 8).astype(numpy.int64))


def loaded_blas():
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/" in line}
    return sorted(f for f in files if os.path.basename(f).startswith(("libblas", "libblis", "libopenblas", "libmkl")))


def train(model, optimizer, x, y, steps):
    order = torch.randperm(len(x))
    losses = torch.zeros(())
    batches = order.split(BATCH)[:steps]
    for index in batches:
        loss = torch.nn.functional.cross_entropy(model(x.index_select(0, index)), y.index_select(0, index))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses += loss.detach()
    return losses.item() / len(batches)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("threads", type=int)
    parser.add_argument("passes", type=int)
    parser.add_argument("--foreach", action="store_true", help="the optimizer takes all parameters in one call")
    parser.add_argument("--steps", type=int, help="of a pass; all, if not given")
    args = parser.parse_args()

    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    x, y = load()
    sizes, make_optimizer = NETWORKS[args.network]
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = make_optimizer(model.parameters(), foreach=args.foreach)
    seconds, losses = [], []
    for _ in range(args.passes):
        begin = time.perf_counter()
        losses.append(train(model, optimizer, x, y, args.steps))
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"network": args.network, "version": torch.__version__, "threads": args.threads, "foreach": args.foreach,
                      "blas": loaded_blas(), "seconds": seconds, "loss": losses}))


if __name__ == "__main__":
    main()
