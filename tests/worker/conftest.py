"""Jobs as a worker holds them, and as a training process gets them."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from app.artifacts.store import ArtifactStore
from app.db.tables import JobTable, WorkerTable
from app.db.types import database_now
from app.domain.specs import Augmentation
from app.ids import new_id
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import JobRepository
from worker.datasets.source import DatasetSource
from worker.engine.checkpoint_files import name_of
from worker.engine.events import CheckpointSaved
from worker.messages import Assignment, Places
from worker.reporter import Reporter
from worker.supervision import count_gpus, start_forkserver


@pytest.fixture(scope="session")
def processes():
    """The forkserver; one import of torch for all tests."""
    context = start_forkserver()
    assert count_gpus(context) >= 0
    return context


@pytest.fixture
def queued(database):
    """Put a job into the queue; returns its id."""

    def put(**columns):
        facts = {"id": new_id("job"), "kind": "training", "state": "queued", "spec": {}, "dataset_id": new_id("ds")}
        job = JobTable(**facts | {"created_at": datetime.now(UTC)} | columns)
        with database.transaction() as session:
            JobRepository(session).add(job)
        return job.id

    return put


@pytest.fixture
def claimed(database, queued):
    """Put a job into the queue and claim it; returns its lease."""

    def claim(*, lease_seconds=30.0, **columns):
        queued(**columns)
        with database.transaction() as session:
            job = Claims(session, lease=timedelta(seconds=lease_seconds)).claim(Claimant("host:0"))
        return Lease(job.id, job.fence)

    return claim


@pytest.fixture
def read(database):
    """A job's row and its events."""

    def row(id):
        with database.reading() as session:
            return session.get(JobTable, id), JobRepository(session).events(id)

    return row


@pytest.fixture
def heard(database):
    """So many workers were heard from just now."""

    def put(count):
        with database.transaction() as session:
            for number in range(count):
                row = {"name": f"host:{number}", "started_at": database_now(), "heard_at": database_now()}
                session.add(WorkerTable(device="cpu", **row))

    return put


@pytest.fixture(scope="session")
def assignment_of():
    """An assignment on the digits, with all its places below a folder; `facts` take the place of what is usual."""

    def make(folder, spec, **facts):
        places = Places(*(folder / name for name in ("attempt", "checkpoints", "cache", "weights")))
        for place in vars(places).values():
            place.mkdir(exist_ok=True)
        usual = {
            "job_id": "job_x",
            "title": "Test",
            "dataset": DatasetSource("built_in", "digits", folder, version=None),
            "dataset_id": "ds_x",
            "default_image_size": 8,
            "default_validation": 0.2,
            "default_augmentation": Augmentation(crop=1),
            "device": "cpu",
            "checkpoint_seconds": 60,
        }
        return Assignment(spec=spec, places=places, **usual | facts)

    return make


@pytest.fixture
def write(settings, lease):
    """Write a checkpoint file as the engine would."""

    def save(step):
        folder = settings.folder("checkpoints") / lease.job_id
        folder.mkdir(exist_ok=True)
        data = f"weights after {step}".encode()
        digest = hashlib.sha256(data).hexdigest()
        path = folder / name_of(step=step, digest=digest)
        path.write_bytes(data)
        return CheckpointSaved(step, False, path, digest)

    return save


@pytest.fixture
def lease(claimed):
    """Of a job that was claimed just now."""
    return claimed()


@pytest.fixture
def store(settings):
    """Where the files of jobs lie."""
    return ArtifactStore(settings.storage)


@pytest.fixture
def reporter(settings, database, store, lease):
    """Writes what the training of that job says."""
    return Reporter(database=database, store=store, settings=settings, lease=lease)
