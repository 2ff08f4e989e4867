"""Jobs over HTTP, in process and on a port, and the hand of a worker that claims them and writes about them."""

import json
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

import pytest
import uvicorn

from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import NewEvent
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


class Hand:
    """Does to one database what a worker does, a transaction each."""

    def __init__(self, database):
        self.database = database
        self.lease_time = timedelta(seconds=30)

    def do(self, name, *arguments, **options):
        """Call a method of Claims."""
        with self.database.transaction() as session:
            return getattr(Claims(session, lease=self.lease_time), name)(*arguments, **options)

    def claim(self, worker="host:0", **options):
        """The lease of the next job, or None."""
        job = self.do("claim", Claimant(worker), **options)
        return None if job is None else Lease(job.id, job.fence)

    def write(self, lease, *events, change=lambda job: None):
        """Add events, given as (type, data), to the history."""
        return self.do("write", lease, [NewEvent(*event) for event in events], change=change)


@pytest.fixture
def hand_of():
    """A worker's hand on a database."""
    return Hand
