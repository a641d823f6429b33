#!/usr/bin/python3
"""Every activation at all floats that there are, on every instruction set: tests/test_maps.c, as many maps at a time as there are cores.
WEFT_EVERY=N looks at every N-th float instead.
"""
import concurrent.futures
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "command"))
import weft  # noqa: E402

SHARES = 64  # more than there are maps, so that none waits behind another


def run_share(share):
    environment = {**os.environ, "WEFT_EVERY": os.environ.get("WEFT_EVERY", "1"), "WEFT_SHARE": f"{share}/{SHARES}"}
    return subprocess.run([os.path.join(weft.BUILD, "tests", "test_maps")], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding="utf-8", errors="backslashreplace", check=False)


class Maps(unittest.TestCase):
    def test_maps_are_within_2_ulps_and_have_the_same_bits_at_all_floats(self):
        found, failures = [], []
        with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for done in concurrent.futures.as_completed([pool.submit(run_share, share) for share in range(SHARES)]):
                result = done.result()
                lines = [line for line in result.stdout.splitlines() if ": values within " in line]
                for line in lines:
                    print(f"# {line}", flush=True)
                found += lines
                failures += [result.stdout] if result.returncode else []
        self.assertFalse(failures, "\n".join(failures))
        self.assertEqual(len(found), len(set(found)))
        self.assertGreater(len(found), 40)
        self.assertLess(len(found), SHARES)


weft.main()
