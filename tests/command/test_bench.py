#!/usr/bin/python3
"""weft bench: that everything there is gets measured, and that the figures agree with each other. What they are is the machine's affair: no test
here looks at a time."""
import glob
import json
import os
import re

import weft

KERNEL = re.compile(r"(\S+)\s+((?!\d+x|->)\S.*?|)\s+((?:\d+x\d+ )*-> \d+x\d+(?: \d+x\d+)*)\s+(\d+)((?: +[\d.]+){3}) +(\w+) +([\d.]+)")
STEP = re.compile(r"(\S+), (.+), (\S+), batch (\d+), (\d+) threads?: [\d.]+ us a step, .*")
OPTIMIZER = re.compile(r"(\S.*?) +(\d+) +(\w+) +(\d+)((?: +[\d.]+){5})(?:  above)?")


def source(*names):
    with open(os.path.join(weft.ROOT, "src", *names)) as file:
        return file.read()


def ops_of(kind):
    found = [os.path.basename(path)[:-2] for path in glob.glob(os.path.join(weft.ROOT, "src", "op", "*.c")) if f".kind = {kind}" in source(path)]
    return [name for name in found if kind != "OP_MAP" or ".map = " in source("op", name + ".c")]


class Bench(weft.Case):
    """Both forms of one bench each, made once."""

    said, table = None, None

    def setUp(self):
        super().setUp()
        if not Bench.said:
            Bench.said = json.loads(self.weft("bench", "--quick", "--json").stdout)
            Bench.table = self.weft("bench", "--quick").stdout.splitlines()

    def rows(self, pattern):
        return [match for match in map(pattern.fullmatch, Bench.table) if match]

    def assert_positive(self, *numbers):
        for number in numbers:
            self.assertGreater(number, 0)

    def assert_percent(self, number):
        self.assertGreater(number, 0)
        self.assertLessEqual(number, 100.001)

    def test_the_machine_has_a_peak_and_a_speed_for_every_level(self):
        machine = self.said["machine"]
        self.assertIn(machine["isa"], ("v2", "v3", "v4"))
        n = len(machine["threads"])
        self.assertEqual(machine["threads"][0], 1)
        self.assertLessEqual(machine["threads"][-1], len(os.sched_getaffinity(0)))
        self.assertEqual(machine["threads"], sorted(set(machine["threads"])))
        self.assertEqual([level["name"] for level in machine["levels"]][:2], ["L1", "L2"])
        self.assertEqual(machine["levels"][-1]["name"], "memory")
        for numbers in [machine["peak_gflops"]] + [level[key] for level in machine["levels"] for key in ("read_gbytes", "update_gbytes")]:
            self.assertEqual(len(numbers), n)
            self.assert_positive(*numbers)
        for level, farther in zip(machine["levels"], machine["levels"][1:]):
            self.assertLess(level["swept_bytes"], farther["swept_bytes"])

    def test_every_kernel_is_measured(self):
        kernels = re.findall(r"^    kernel (\w+);", source("kernel", "kernel.h").partition("typedef struct kernels")[2], re.MULTILINE)
        self.assertGreater(len(kernels), 5)
        measured = {row["kernel"] for row in self.said["kernels"]}
        self.assertLessEqual(set(kernels + ["transpose"] + ops_of("OP_LOSS") + [name for name in ops_of("OP_LAYER") if name != "linear"]), measured)

    def test_every_map_and_its_gradient_are_measured_alone_and_fused(self):
        self.assertIn("relu", ops_of("OP_MAP"))
        seen = {(row["kernel"], row["with"]) for row in self.said["kernels"]}
        for name in ops_of("OP_MAP"):
            self.assertLessEqual({("map", name), ("map_grad", name), ("product", name), ("product_dx", name + " dx")}, seen)

    def test_every_optimizer_is_measured_alone_and_fused(self):
        optimizers = set(weft.updating_optimizers())
        self.assertIn("adam", optimizers)
        for kernel in ("update", "product_dw"):
            self.assertEqual({row["with"].split()[0] for row in self.said["kernels"] if row["kernel"] == kernel and row["with"]}, optimizers)
        self.assertEqual({row["optimizer"].split()[0] for row in self.said["optimizers"]}, optimizers)

    def test_kernels_use_a_share_of_what_binds_them(self):
        limits = {"FMA"} | {level["name"] for level in self.said["machine"]["levels"]}
        for row in self.said["kernels"]:
            self.assert_percent(row["share_percent"])
            self.assert_positive(row["microseconds"], row["gbytes"])
            self.assertIn(row["limit"], limits)
            if row["kernel"].startswith("product"):
                self.assert_positive(row["gflops"])
        keys = [(row["kernel"], row["with"], row["shapes"], row["threads"]) for row in self.said["kernels"]]
        self.assertEqual(len(keys), len(set(keys)))

    def test_steps_are_the_sum_of_their_parts(self):
        for step in self.said["steps"]:
            if step["precision"] == "fp32":
                self.assert_percent(step["peak_percent"])
            else:  # another precision has another peak
                self.assert_positive(step["peak_percent"])
            self.assertAlmostEqual(step["pass_seconds"], step["microseconds"] * 1e-6 * 60000 / step["batch"], delta=1e-3 * step["pass_seconds"])
            self.assertAlmostEqual(sum(part["microseconds"] for part in step["parts"]), step["parts_microseconds"],
                                   delta=1e-3 * step["parts_microseconds"])
            self.assertAlmostEqual(sum(part["share_percent"] for part in step["parts"]), 100, delta=0.1)
            self.assertLessEqual(step["parts_microseconds"], 1.001 * step["microseconds"])

    def test_steps_are_called_as_the_plan_is_printed(self):
        plan = self.weft("summary", os.path.join(weft.ROOT, "recipes", "tutorial.yaml"), "--variant", "adam", "--plan").stdout
        names = re.findall(r"^ *\d+ [ |] (.{22}) \w+ +\d+ ", plan, re.MULTILINE)
        self.assertGreater(len(names), 5)
        steps = [step for step in self.said["steps"] if (step["network"], step["mode"], step["precision"]) ==
                 ("784-1000-10", "adam lr=0.001", "fp32")]
        self.assertEqual(len(steps), len(self.said["machine"]["threads"]))
        for step in steps:
            self.assertEqual([part["name"] for part in step["parts"]], ["to begin"] + [name.strip() for name in names])

    def test_the_tutorials_networks_train_and_run_forward(self):
        seen = {(step["network"], step["mode"].split()[0]) for step in self.said["steps"] if step["precision"] == "fp32"}
        self.assertEqual(seen, {("784-1000-10", "sgd"), ("784-1000-10", "adam"), ("784-1000-10", "forward"), ("784-1000-512-10", "adam"),
                                ("784-1000-512-10", "forward"), ("784-10", "adam"), ("784-10", "forward")})

    def test_an_optimizers_ratio_is_to_the_longer_of_arithmetic_and_traffic(self):
        for row in self.said["optimizers"]:
            self.assert_positive(row["fused_microseconds"], row["arithmetic_microseconds"], row["memory_microseconds"])
            self.assertAlmostEqual(row["ratio"], row["added_microseconds"] / max(row["arithmetic_microseconds"], row["memory_microseconds"]),
                                   delta=1e-3 * row["ratio"] + 1e-9)
            self.assertLessEqual(row["added_microseconds"], row["fused_microseconds"])
            self.assertEqual(row["bar"], 1.3)

    def test_the_table_has_the_rows_of_the_json(self):
        kernels = [(row["kernel"], row["with"], row["shapes"], row["threads"]) for row in self.said["kernels"]]
        self.assertEqual([(row[1], row[2], row[3], int(row[4])) for row in self.rows(KERNEL)], kernels)
        steps = [(row["network"], row["mode"], row["precision"], row["batch"], row["threads"]) for row in self.said["steps"]]
        self.assertEqual([(row[1], row[2], row[3], int(row[4]), int(row[5])) for row in self.rows(STEP)], steps)
        rows = [(row["optimizer"], row["weights"], row["threads"]) for row in self.said["optimizers"]]
        self.assertEqual([(row[1], int(row[2]), int(row[4])) for row in self.rows(OPTIMIZER)], rows)
        for level in self.said["machine"]["levels"]:
            self.assertEqual(sum(line.startswith(level["name"] + " ") for line in self.table), 2, level["name"])

    def test_shares_in_the_table_are_per_cent(self):
        for row in self.rows(KERNEL):
            self.assertTrue(0 <= float(row[7]) <= 100, row[0])


class Choice(weft.Case):
    def test_a_part_can_be_had_alone(self):
        for part in ("kernels", "steps", "optimizers"):
            self.assertEqual(set(json.loads(self.weft("bench", part, "--quick", "--json").stdout)), {"machine", part})
        said = self.weft("bench", "optimizers", "machine", "--quick").stdout
        self.assertRegex(said, r"(?s)^machine: .*\n\noptimizers: ")
        self.assertNotIn("kernels: ", said)

    def test_one_thread_alone(self):
        said = json.loads(self.weft("bench", "optimizers", "--quick", "--json", "--threads", "1").stdout)
        self.assertEqual(said["machine"]["threads"], [1])
        self.assertEqual({row["threads"] for row in said["optimizers"]}, {1})

    def test_the_instruction_set_can_be_chosen(self):
        said = json.loads(self.weft("bench", "machine", "--quick", "--json", env={"WEFT_ISA": "v3"}).stdout)
        self.assertEqual(said["machine"]["isa"], "v3")

    def test_what_cannot_be_measured_is_bad_usage(self):
        for words, why in ((["kernel"], 'unknown part "kernel"; did you mean "kernels"?'), (["machine", "speed"], 'unknown part "speed"'),
                           (["--threads", "0"], "--threads takes a whole number"), (["--quik"], "did you mean --quick?"),
                           (["--threads", "1024"], "threads would wait for each other")):
            result = self.weft("bench", *words, code=2)
            self.assertIn(why, result.stderr)
            self.assertEqual(result.stdout, "")


weft.main()
