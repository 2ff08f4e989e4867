"""The fault harness for real: a short run on each configuration, and with `make verify` a long one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fault_harness.servers import missing_programs

ROOT = Path(__file__).parents[2]
STORES = [
    "sqlite",
    pytest.param(
        "servers", marks=pytest.mark.skipif(missing_programs() != [], reason=f"not here: {missing_programs()}")
    ),
]


def break_things(store: str, *, faults: int, seconds: int, seed: int) -> str:
    """What the harness prints; fails with it where a promise was broken."""
    counts = {"--faults": faults, "--seconds": seconds, "--seed": seed}
    arguments = ["--store", store, *(str(word) for pair in counts.items() for word in pair)]
    command = [sys.executable, "benchmarks/faults.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number_of(what: str, output: str) -> int:
    found = re.search(rf"^  {what} +(\d+)", output, re.MULTILINE)
    assert found, output
    return int(found[1])


@pytest.mark.timeout(300)  # twenty seconds of faults, and a machine that may be busy
@pytest.mark.parametrize("store", STORES)
def test_short_run_keeps_every_promise(store):
    output = break_things(store, faults=20, seconds=15, seed=1)
    assert number_of("faults", output) >= 20
    assert number_of("jobs", output) >= 3
    assert number_of("violations", output) == 0


@pytest.mark.verify
@pytest.mark.parametrize("store", STORES)
def test_long_run_keeps_every_promise(store):
    output = break_things(store, faults=100, seconds=150, seed=2)
    assert number_of("faults", output) >= 100
    assert number_of("violations", output) == 0
