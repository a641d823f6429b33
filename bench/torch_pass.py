#!/usr/bin/python3
"""Times training passes over Fashion-MNIST with PyTorch: torch_pass.py NETWORK THREADS PASSES [--foreach] [--steps N] [--trials].

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

# The same names and settings are in weft_pass.c and peer.c.
NETWORKS = {
    "sgd": ([784, 1000, 10], lambda p, **how: torch.optim.SGD(p, lr=0.01, **how)),
    "adam": ([784, 1000, 10], lambda p, **how: torch.optim.Adam(p, lr=0.001, **how)),
    "deep": ([784, 1000, 512, 10], lambda p, **how: torch.optim.Adam(p, lr=0.001, **how)),
}
BATCH, EVALUATION_BATCH = 32, 1000


def load(split):
    places = [os.environ.get("WEFT_DATA"), os.environ.get("XDG_DATA_HOME") and os.environ["XDG_DATA_HOME"] + "/weft", "/usr/share/datasets"]
    folder = next(p for p in (os.path.join(p, "fashion-mnist") for p in places if p) if os.path.isdir(p))

    def read(name, header):
        with gzip.open(os.path.join(folder, name)) as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=header)

    x = torch.from_numpy(read(split + "-images-idx3-ubyte.gz", 16).astype(numpy.float32).reshape(-1, 784)) / 255
    return x, torch.from_numpy(read(split + "-labels-idx1-ubyte.gz", 8).astype(numpy.int64))


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


def evaluate(model, x, y):
    """Mean loss, and the share of right answers."""
    loss = right = 0
    with torch.inference_mode():
        for some, answers in zip(x.split(EVALUATION_BATCH), y.split(EVALUATION_BATCH)):
            logits = model(some)
            loss += torch.nn.functional.cross_entropy(logits, answers, reduction="sum").item()
            right += (logits.argmax(1) == answers).sum().item()
    return loss / len(x), right / len(x)


def layers_of(sizes):
    layers = []
    for n_in, n_out in zip(sizes, sizes[1:]):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def make(network, foreach):
    sizes, make_optimizer = NETWORKS[network]
    model = layers_of(sizes)
    return model, make_optimizer(model.parameters(), foreach=foreach)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("threads", type=int)
    parser.add_argument("passes", type=int)
    parser.add_argument("--foreach", action="store_true", help="the optimizer takes all parameters in one call")
    parser.add_argument("--steps", type=int, help="of a pass; all, if not given")
    parser.add_argument("--trials", action="store_true", help="every pass with a new model, which then is evaluated on both splits")
    args = parser.parse_args()

    torch.set_flush_denormal(True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    x, y = load("train")
    test = load("t10k") if args.trials else None
    model, optimizer = make(args.network, args.foreach)
    seconds, losses = [], []
    for i in range(args.passes):
        begin = time.perf_counter()
        if args.trials and i:
            model, optimizer = make(args.network, args.foreach)
        losses.append(train(model, optimizer, x, y, args.steps))
        if args.trials:
            evaluate(model, x, y)
            evaluate(model, *test)
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"network": args.network, "version": torch.__version__, "threads": args.threads, "foreach": args.foreach,
                      "blas": loaded_blas(), "seconds": seconds, "loss": losses}))


if __name__ == "__main__":
    main()
