"""The processes under load: one API with a key, and the bare endpoint beside it."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from supercycle.cli.serving import free_port
from supercycle.config import pristine_environment

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_SECONDS = 60.0


@contextmanager
def running(*module: str, path: str, environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Start a module that takes `--port`; its process id and its port, once `path` is answered there."""
    port = free_port(HOST, 0)
    command = [sys.executable, "-m", *module, "--port", str(port)]
    known = pristine_environment() | {"PYTHONPATH": str(ROOT)} | environment
    process = subprocess.Popen(command, env=known, stdin=subprocess.PIPE, cwd=ROOT)
    try:
        _wait(process, f"http://{HOST}:{port}{path}")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(process: "subprocess.Popen[bytes]", address: str) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(address, trust_env=False)
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {address}")


def most_resident_bytes(pid: int) -> int:
    """The most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")))


def quiet() -> str:
    """How busy the machine is beside us, in words."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
