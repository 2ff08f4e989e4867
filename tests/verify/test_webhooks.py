"""What the page on webhooks says to type, typed: a service, a receiver beside it, and an event that verifies."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supercycle import Client
from supercycle.errors import ConnectionFailed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto" / "webhooks.md").read_text("utf-8")

pytestmark = pytest.mark.verify


@pytest.fixture
def service(tmp_path, free_port):
    """The address of a service that lets webhooks lead to loopback."""
    command = [sys.executable, "-m", "supercycle", "serve", "--port", str(free_port)]
    known = {"PYTHONPATH": str(ROOT), "SUPERCYCLE_WEBHOOK_PRIVATE_HOSTS": "true"}
    process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | known, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{free_port}"
    deadline = time.monotonic() + 90
    with Client(url) as client:
        while not is_ready(client):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(timeout=30)


def is_ready(client):
    try:
        return client.ready()
    except ConnectionFailed:
        return False


@pytest.fixture
def second_port(free_port):
    """Another one, for the receiver."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_the_page(service, second_port, tmp_path):
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = "".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)).replace("9000", str(second_port))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT), "SUPERCYCLE_URL": service},
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    received = (tmp_path / "received.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in received) == ["job.started", "job.succeeded"]
    assert re.search(r"job\.succeeded\tdelivered\t1\t204\t-", done.stdout)
    assert "is sent again" in done.stdout
    with Client(service) as client:
        assert client.webhooks() == []
    python = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1].replace("http://127.0.0.1:8000", service)
    subprocess.run([sys.executable, "-c", python], cwd=ROOT, check=True, timeout=60)
