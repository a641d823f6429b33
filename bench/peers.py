"""Training passes and forward-only passes: weft and its peers in turns, medians of each round's ratios."""
import os
import statistics

from tools import (HERE, PYTHON, THREADS, TITLES, best_setup, has, left_out, measure, program, ratio_of, show_ratio, torch_command,
                   torch_setups, weft_pass)

SLOW_ROUNDS = 1  # of scikit-learn, which takes ten times as long

# What weft may take of a peer's time.
BARS = {"libxsmm": {"sgd": 0.95, "adam": 0.95}, "oneDNN": {"deep": 0.78}, "PyTorch": {"sgd": 0.42, "adam": 0.36, "deep": 0.33}}
FORWARD_BAR = 1.0


def peers_of(build, network):
    """{who: a function that measures one pass}, weft first."""
    peers = {"weft": lambda: weft_pass(build, network)}
    for who, name in (("libxsmm", "xsmm_pass"), ("oneDNN", "dnnl_pass")):
        if program(build, name):
            peers[who] = lambda path=program(build, name): measure([path, network, THREADS, 1])
    setups = torch_setups()
    if setups:
        name, form = best_setup(network, setups)
        peers["PyTorch"] = lambda: measure(*torch_command(network, setups[name], 1, *form))
    if setups and has("sklearn"):
        env, _ = setups.get("openblas-pthread 2, PyTorch 1") or next(iter(setups.values()))
        peers["scikit-learn"] = lambda: measure([PYTHON, os.path.join(HERE, "sklearn_pass.py"), network], env)
    return peers


def in_turns(peers, rounds):
    results = {who: [] for who in peers}
    for i in range(rounds):
        for who, run in peers.items():
            if who != "scikit-learn" or i < SLOW_ROUNDS:
                results[who].append(run())
    return results


def show(title, results, bars):
    for who, runs in results.items():
        seconds = [r["seconds"][0] for r in runs]
        print(f"  {title:22} {who:52} {statistics.median(seconds):7.3f} s   loss {runs[0]['loss'][0]:.4f}")
    ours = [r["seconds"][0] for r in results["weft"]]
    for who, runs in results.items():
        if who != "weft":
            show_ratio(f"{title:22} weft / {who}", ratio_of(ours, [r["seconds"][0] for r in runs]), bars.get(who))
    print(flush=True)


def say_what_is_missing(build):
    if not program(build, "xsmm_pass"):
        left_out("libxsmm", "libxsmm-dev")
    if not program(build, "dnnl_pass"):
        left_out("oneDNN", "libdnnl-dev")
    if not torch_setups():
        left_out("PyTorch", "python3-torch python3-numpy libopenblas0-pthread libblis4-pthread")
    elif not has("sklearn"):
        left_out("scikit-learn", "python3-sklearn")


def forward_pass(command):
    """Of three, the fastest: the first one reads samples that were never read before."""
    result = measure(command)
    return {**result, "seconds": [min(result["seconds"])]}


def show_forward(build, rounds):
    print(f"forward only: 60,000 images evaluated from floats in memory, {THREADS} threads; medians of {rounds} rounds")
    for network in ("sgd", "deep"):
        peers = {who: lambda path=program(build, name): forward_pass([path, network, THREADS, 3, "forward"])
                 for who, name in (("weft", "weft_pass"), ("oneDNN", "dnnl_pass"))}
        show(TITLES[network].rsplit(" ", 1)[0], in_turns(peers, rounds), {"oneDNN": FORWARD_BAR})


def run(build, rounds):
    say_what_is_missing(build)
    for network, title in TITLES.items():
        peers = peers_of(build, network)
        print(f"a training pass: 60,000 images, batch 32, shuffled, {THREADS} threads; medians of {rounds} rounds, and the first pass's loss")
        show(title, in_turns(peers, rounds), {who: bars.get(network) for who, bars in BARS.items()})
    if program(build, "dnnl_pass"):
        show_forward(build, rounds)
