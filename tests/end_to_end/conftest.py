"""The whole service in real processes, as `supercycle serve` starts it."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from supercycle import Client

PATIENCE_SECONDS = 60
QUICK = {
    "SUPERCYCLE_LEASE_SECONDS": "2",
    "SUPERCYCLE_HEARTBEAT_SECONDS": "0.4",
    "SUPERCYCLE_SWEEP_SECONDS": "0.2",
    "SUPERCYCLE_CHECKPOINT_SECONDS": "0.2",
}


@dataclass
class Service:
    """A running `supercycle serve` and what a test may do to it."""

    process: subprocess.Popen[str]
    url: str
    data_dir: Path
    lines: list[str] = field(default_factory=list)

    @property
    def client(self) -> Client:
        return Client(self.url)

    def processes(self) -> dict[int, str]:
        """The command lines of everything it started, by process id, the deepest too."""
        table = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,ppid=,args="], check=True, capture_output=True, text=True
        ).stdout
        rows = [line.split(None, 2) for line in table.splitlines()]
        mine = {self.process.pid}
        for pid, parent, _ in rows * 3:  # a child may stand before its parent
            if int(parent) in mine:
                mine.add(int(pid))
        return {int(pid): command for pid, _, command in rows if int(pid) in mine - {self.process.pid}}

    def pids(self, part: str) -> list[int]:
        """Of `worker`, `api` or `keeper`."""
        module = {"worker": "-m worker --", "api": "-m app.main", "keeper": "-m worker.keeper"}[part]
        return [pid for pid, command in self.processes().items() if module in command]

    def training_pid(self) -> int:
        """Of the training process: the one that leads a process group of its own below the forkserver."""
        for pid, command in self.processes().items():
            if "forkserver" in command and os.getpgid(pid) == pid:
                return pid
        raise LookupError("no training is running")

    def log(self, part: str) -> str:
        return "".join(path.read_text() for path in sorted((self.data_dir / "logs").glob(f"{part}*.log")))

    def stop(self, *, with_signal: int = signal.SIGINT) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=20)


def wait_until(condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS, what: str = "") -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain {what}"
        time.sleep(0.05)


def start_service(data_dir: Path, **environment: str) -> Service:
    """Start it and wait until it says that it is ready."""
    options = ["--port", "0", "--workers", "1", "--data-dir", str(data_dir)]
    command = [sys.executable, "-m", "supercycle", "serve", *options]
    process = subprocess.Popen(
        command,
        env=os.environ | QUICK | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    service = Service(process, "", data_dir)
    threading.Thread(target=_read, args=(service,), daemon=True).start()
    wait_until(lambda: service.url or process.poll() is not None, what="for the service to be ready")
    assert service.url, "".join(service.lines)
    return service


def _read(service: Service) -> None:
    assert service.process.stdout is not None
    with service.process.stdout as output:
        for line in output:
            service.lines.append(line)
            found = re.search(r"ready at (http://\S+)", line)
            if found:
                service.url = found[1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The embedded default, one for the tests of a module."""
    service = start_service(tmp_path_factory.mktemp("service"))
    yield service
    if service.process.poll() is None:
        service.stop()


@pytest.fixture(scope="module")
def scaled_service(
    tmp_path_factory: pytest.TempPathFactory, empty_postgresql: Callable[[], str], redis_url: str
) -> Iterator[Service]:
    """The same on PostgreSQL and Redis, by configuration alone."""
    environment = {"SUPERCYCLE_DATABASE_URL": empty_postgresql(), "SUPERCYCLE_BROKER_URL": redis_url}
    service = start_service(tmp_path_factory.mktemp("scaled"), **environment)
    yield service
    if service.process.poll() is None:
        service.stop()


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """Plain HTTP, as curl would speak it."""
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


@pytest.fixture
def started() -> Callable[..., Service]:
    """Start a service of the test's own."""
    return start_service
