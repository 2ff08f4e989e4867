"""Jobs over HTTP, in process and on a port."""

import json
import threading
import time
from dataclasses import dataclass

import pytest
import uvicorn

from app.main import create_app


@pytest.fixture
def minimal():
    """The smallest body of a training."""
    return {"kind": "training", "dataset": "digits", "architecture": "mlp"}


@pytest.fixture
def submit(client, minimal):
    """POST a small training with changes; returns the job."""

    def send(**changes):
        response = client.post("/v1/jobs", json=minimal | changes)
        assert response.status_code == 202, response.text
        return response.json()

    return send


@dataclass
class Served:
    """A service on a port, and its parts."""

    url: str
    parts: object


@pytest.fixture
def serve(queue):
    """Start a service on a port, in a thread of this process, until the test is over."""
    running = []

    def start(settings, **options):
        app = create_app(settings, queue=queue, **options)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        until = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < until
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        return Served(f"http://127.0.0.1:{port}", app.state.parts)

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()


@pytest.fixture
def parse_events():
    """What a stream's lines say: (name, id, data), or a comment's text."""

    def parse(lines):
        fields = {}
        for line in lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                yield line[1:].strip()
            elif line:
                fields[name] = value
            elif fields:
                yield fields["event"], int(fields["id"]), json.loads(fields["data"])
                fields = {}

    return parse
