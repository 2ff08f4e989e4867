"""What tests of the service share beyond a client."""

from datetime import UTC, datetime

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.db.migrate import upgrade
from app.db.tables import JobTable, JobTagTable
from app.ids import new_id
from app.jobs.repository import JobRepository
from app.main import create_app


@pytest.fixture
def parts(client):
    """The database, queue and store of the app under test."""
    return client.app.state.parts


@pytest.fixture
def any_client(settings, queue):
    """The app in process, on both databases in turn."""
    with TestClient(create_app(settings, queue=queue), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory, _clean_environment):
    """One app for many requests that change nothing: quicker than one each."""

    class NoQueue:
        def hint(self, job_id):
            raise AssertionError(f"nothing here is to be queued, {job_id} was")

        def ping(self):
            pass

    settings = Settings(data_dir=tmp_path_factory.mktemp("shared"))
    upgrade(settings)
    with TestClient(create_app(settings, queue=NoQueue()), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture
def put_job():
    """A job straight into a database, in whatever state; returns its id."""

    def put(database, *, tags=(), **columns):
        facts = {"id": new_id("job"), "kind": "training", "state": "queued", "spec": {}, "dataset_id": new_id("ds")}
        rows = [JobTagTable(tag=tag) for tag in tags]
        job = JobTable(**facts | {"created_at": datetime.now(UTC)} | columns, tags=rows)
        with database.transaction() as session:
            JobRepository(session).add(job)
        return job.id

    return put
