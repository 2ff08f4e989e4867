"""A comparison of two arms, the keepers that look after it, and hands that do what its workers would."""

import sys
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.db.tables import JobTable
from app.domain.lifecycle import JobState, Verb
from app.jobs import service
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import JobRepository, NewEvent
from app.jobs.schemas import ComparisonSubmission
from worker.keeper.coordinator import Coordinator

TWO_ARMS = dict.fromkeys(("linear", "cosine", "constant", "step"))
SMALL = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "epochs": 4, "seeds": 2, "arms": TWO_ARMS}
ADMIN = administrator("admin")
ERROR = {"code": "lr_diverged", "title": "It diverged", "detail": "It did.", "hint": "Do.", "retryable": False}


@pytest.fixture
def keeper(database, settings, queue):
    """Makes keepers that look after plans; those that are left over are stopped."""
    made = []

    def make():
        made.append(Coordinator(database, ArtifactStore(settings.storage), settings, queue=queue))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def coordinator(keeper):
    return keeper()


@pytest.fixture
def submitted(database):
    """Submit a job as the administrator does; returns its id."""

    def submit(submission):
        with database.transaction() as session:
            return service.submit(session, submission, ADMIN).id

    return submit


@pytest.fixture
def plan(submitted):
    """Submit a small comparison; returns its id."""
    return lambda **fields: submitted(ComparisonSubmission.model_validate(SMALL | fields))


@pytest.fixture
def children(database):
    """State by key."""

    def look(id):
        with database.reading() as session:
            rows = session.scalars(select(JobTable).where(JobTable.parent_id == id))
            return {row.child_key: row for row in rows}

    return look


@pytest.fixture
def ask(database):
    def do(id, verb):
        with database.transaction() as session:
            return service.ask(session, id, Verb(verb), ADMIN).state

    return do


@pytest.fixture
def claim(database):
    """As a worker does; None where nothing waits."""

    def take():
        with database.transaction() as session:
            job = Claims(session, lease=timedelta(seconds=30)).claim(Claimant("host:0"))
            return job and (Lease(job.id, job.fence), job.child_key)

    return take


@pytest.fixture
def finish(database):
    """End a claimed training, with this accuracy or as failed."""

    def end(lease, accuracy=0.9):
        with database.transaction() as session:
            claims = Claims(session, lease=timedelta(seconds=30))
            job = claims.held(lease)
            if accuracy is None:
                claims.finish(lease, JobState.FAILED, error=ERROR | {"attempt": 1})
                return
            row = {"train_loss": 1.0, "train_accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": accuracy,
                   "seconds": 1.0, "images_per_second": 1.0}  # fmt: skip
            steps = {"phase": "training", "first_step": 0, "learning_rate": [0.1], "momentum": [0.9], "loss": [1.0]}
            JobRepository(session).append(job, [NewEvent("steps", steps), NewEvent("epoch", {"epoch": 1, **row})])
            job.resolved = job.resolved | {"max_lr": {"value": 0.25, "origin": "range_test", "reason": "."}}
            if job.spec["batch_size"] == "auto":
                job.resolved = job.resolved | {"batch_size": {"value": 32, "origin": "measured", "reason": "."}}
            claims.finish(lease, JobState.SUCCEEDED)
            job.result = {
                "best": {"epoch": 1, "validation_accuracy": accuracy},
                "last": {"validation_accuracy": accuracy, "validation_loss": 1 - accuracy},
                "test_accuracy": None, "epochs_run": 1, "seconds": 1.0, "search_steps": 0,
            }  # fmt: skip

    return end


@pytest.fixture
def work_off(claim, finish):
    """Run everything that waits; `lost` are the keys of those that fail."""

    def work(lost=()):
        done = []
        while (taken := claim()) is not None:
            lease, key = taken
            finish(lease, None if key in lost else 0.9)
            done.append(key)
        return sorted(done)

    return work


@pytest.fixture
def _no_report(monkeypatch):
    """One that is made at once and says nothing."""
    command = [sys.executable, "-c", "import json; print(json.dumps(dict(files=[])))"]
    monkeypatch.setattr("worker.keeper.report_desk.CHILD", command)


@pytest.fixture
def report(read):
    """Look until the plan has ended; returns its row and its events."""

    def wait(coordinator, id):
        deadline = time.monotonic() + 60
        while not JobState(read(id)[0].state).ended:
            assert time.monotonic() < deadline, "the report does not come"
            coordinator.advance()
            time.sleep(0.05)
        return read(id)

    return wait
