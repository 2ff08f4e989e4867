"""Every shell and Python block of the README runs as printed, in order, against a service on the usual port."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
URL = "http://127.0.0.1:8000"

pytestmark = pytest.mark.verify


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a reader would stand: `.venv` is there, files land beside it."""
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    return tmp_path


@pytest.fixture
def usual_service(folder: Path) -> Iterator[None]:
    """What `make serve` starts."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("something else listens on port 8000, which the README's commands use")
    command = [sys.executable, "-m", "supercycle", "serve"]
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        try:
            deadline = time.monotonic() + 60
            while not is_ready():
                assert time.monotonic() < deadline, "the service did not get ready"
                time.sleep(0.2)
            yield
        finally:
            process.terminate()


def is_ready() -> bool:
    try:
        return httpx.get(f"{URL}/readyz", timeout=5).is_success
    except httpx.TransportError:
        return False


def test_shell_blocks_in_order(folder: Path, usual_service: None):
    session = "\n".join(block for block in blocks("sh") if not re.search(r"^make ", block, re.MULTILINE))
    script = f"set -euo pipefail\n{session}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "range_test.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "metrics.csv").read_text().startswith("step,learning_rate,momentum,training_loss\n")
    assert (folder / "weights.safetensors").stat().st_size > 1_000_000
    assert "did you mean 'digits'" in done.stdout


def test_python_blocks(folder: Path, usual_service: None):
    for block in blocks("python"):
        subprocess.run([sys.executable, "-c", block], cwd=folder, check=True, timeout=300, stdout=subprocess.DEVNULL)
    assert (folder / "out" / "weights.safetensors").exists()
