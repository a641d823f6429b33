"""What threads are worth: one against two, two runs side by side, more threads than cores."""
import statistics

from tools import TITLES, measure, program, ratio_of, show_ratio, side_by_side, weft_pass

SPEEDUP_BAR, SIDE_BAR, CROWD_BAR, CROWD = 1.75, 1.15, 1.2, 8


def pair_seconds(build, network, threads):
    """Of the slower of two that start together."""
    results = side_by_side([([program(build, "weft_pass"), network, threads, 2], {})] * 2)
    return max(sum(r["seconds"]) for r in results)


def run(build, rounds):
    print(f"threads, on the tutorial's network; medians of {rounds} rounds")
    for network in ("sgd", "adam"):
        one, two, crowd, pairs_one, pairs_two = [], [], [], [], []
        for _ in range(rounds):
            one.append(weft_pass(build, network, 1)["seconds"][0])
            two.append(weft_pass(build, network, 2)["seconds"][0])
            crowd.append(weft_pass(build, network, CROWD)["seconds"][0])
            pairs_one.append(pair_seconds(build, network, 1))
            pairs_two.append(pair_seconds(build, network, 2))
        title = TITLES[network]
        print(f"  {title:22} a pass: one thread {statistics.median(one):.3f} s, two {statistics.median(two):.3f} s, "
              f"{CROWD} {statistics.median(crowd):.3f} s")
        show_ratio(f"{title:22} two threads / one, {SPEEDUP_BAR} times as fast", ratio_of(two, one), round(1 / SPEEDUP_BAR, 3))
        show_ratio(f"{title:22} two runs of two threads side by side / two of one", ratio_of(pairs_two, pairs_one), SIDE_BAR)
        show_ratio(f"{title:22} {CROWD} threads on two cores / two", ratio_of(crowd, two), CROWD_BAR)
    print(flush=True)
