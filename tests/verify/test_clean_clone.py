"""What a newcomer does: clone, `make demo`, `make check`; with nothing installed but Python, make and git."""

import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone") / "supercycle"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    return folder


def make(clone: Path, target: str) -> str:
    done = subprocess.run(["make", target], cwd=clone, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_demo_does_the_main_job_within_a_minute(clone: Path):
    make(clone, "install")
    began = time.monotonic()
    output = make(clone, "demo")
    seconds = time.monotonic() - began
    accuracies = [float(found) for found in re.findall(r"([0-9.]+) %", output)]
    assert seconds < 60
    assert accuracies[-1] >= 97
    assert (clone / "demo-out" / "training" / "weights.safetensors").exists()
    assert (clone / "demo-out" / "range_test" / "range_test.png").exists()


def test_check_passes(clone: Path):
    make(clone, "check")
