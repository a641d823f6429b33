"""Builds the same sources in another place: a folder of another name, with another umask, locale, time zone and clock, and without a cache."""
import contextlib
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = ["src", "include", "bench", "fuzz"]  # and what the Makefile includes
OURS = ("BUILD", "MAKEFLAGS", "MFLAGS")  # where and how this build is made
OTHERWISE = {"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "USER": "somebody", "CCACHE_DISABLE": "1"}


@contextlib.contextmanager
def built(*targets):
    """The folder in which `make TARGET...` was run; RuntimeError where that failed."""
    with tempfile.TemporaryDirectory(prefix="weft-twin-") as home:
        house = os.path.join(home, "another", "house")
        for name in SOURCES:
            shutil.copytree(os.path.join(ROOT, name), os.path.join(house, name), copy_function=shutil.copyfile)
        shutil.copyfile(os.path.join(ROOT, "Makefile"), os.path.join(house, "Makefile"))
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        done = subprocess.run(["make", f"-j{len(os.sched_getaffinity(0))}", *targets], cwd=house, env={**environment, **OTHERWISE}, umask=0o077,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode:
            raise RuntimeError(f"make {' '.join(targets)}: exit code {done.returncode}\n{done.stdout[-4000:]}")
        yield house
