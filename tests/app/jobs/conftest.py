"""Jobs over HTTP, and the hand of a worker that claims them and writes about them."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

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


@pytest.fixture
def any_client(settings, queue):
    """The app in process, on both databases in turn."""
    with TestClient(create_app(settings, queue=queue), base_url="http://127.0.0.1") as client:
        yield client


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
