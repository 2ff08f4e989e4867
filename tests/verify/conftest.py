"""A folder as a reader of the pages has it, and a service that is started and stopped there."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from supercycle import Client
from supercycle.errors import ConnectionFailed
from tests.pages import ROOT

USUAL_PORT = 8000  #: where the pages look for a service


@dataclass
class Host:
    """A folder in which a service is started and stopped."""

    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def start(self, **environment: str) -> Client:
        """What `make serve` starts; returns once it is ready."""
        self.spawn([sys.executable, "-m", "supercycle", "serve", "--port", str(self.port)], **environment)
        return self.ready()

    def spawn(self, command: list[str], **environment: str) -> None:
        """Leave something running."""
        known = known_environment() | environment
        process = subprocess.Popen(
            command, cwd=self.folder, env=known, stdout=subprocess.DEVNULL, start_new_session=True
        )
        self.processes.append(process)

    def ready(self, **client: str) -> Client:
        """A client of the service, which is ready."""
        self.clients.append(Client(f"http://127.0.0.1:{self.port}", **client))
        deadline = time.monotonic() + 90
        while not _is_ready(self.clients[-1]):
            assert time.monotonic() < deadline, "the service did not get ready"
            time.sleep(0.2)
        return self.clients[-1]

    def stop(self) -> None:
        """End what was started last first."""
        while self.clients:
            self.clients.pop().close()
        while self.processes:
            os.killpg(self.processes[-1].pid, signal.SIGTERM)  # a shell would not pass it on
            self.processes.pop().wait(timeout=30)


def _is_ready(client: Client) -> bool:
    try:
        return client.ready()
    except ConnectionFailed:
        return False


def known_environment() -> dict[str, str]:
    """That of a reader who has the commands of `.venv` at hand."""
    path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def typed(tmp_path: Path) -> Callable[..., str]:
    """Run a script as a reader would, in one folder, and return what it printed."""

    def run(script: str, **environment: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env=known_environment() | environment, capture_output=True, text=True, timeout=1500,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def host(tmp_path: Path, free_port: int) -> Iterator[Host]:
    """With a port of its own."""
    host = Host(tmp_path, free_port)
    yield host
    host.stop()


@pytest.fixture
def usual_host(tmp_path: Path) -> Iterator[Host]:
    """With the port that the pages name."""
    require_free(USUAL_PORT)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    host = Host(tmp_path, USUAL_PORT)
    yield host
    host.stop()


def require_free(port: int) -> None:
    """Skip where something else listens there."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            pytest.skip(f"something else listens on port {port}, which the page's commands use")
