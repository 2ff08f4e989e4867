"""What tests of the service share beyond a client."""

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from app.api_keys import service as keys
from app.callers import Scope
from app.config import Settings
from app.datasets.service import NewDataset
from app.datasets.service import add as add_dataset
from app.db.migrate import upgrade
from app.db.tables import (
    ArtifactTable,
    DatasetTable,
    JobTable,
    JobTagTable,
    ModelFileTable,
    ModelTable,
    WebhookDeliveryTable,
    WebhookTable,
)
from app.ids import new_id
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import JobRepository, NewEvent
from app.main import create_app


@pytest.fixture
def parts(client):
    """The database, queue and store of the app under test."""
    return client.app.state.parts


@pytest.fixture
def any_client(settings, queue, in_process):
    """The app in process, on both databases in turn."""
    with in_process(settings, queue) as client:
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


@pytest.fixture(scope="session")
def problem():
    """Checks that an answer is a whole problem; returns it."""

    def check(response, status):
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body["status"] == status
        assert body["type"] == f"/problems/{body['code']}"
        assert body["title"]
        assert body["detail"]
        assert body["hint"]
        assert body["request_id"] == response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"
        return body

    return check


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


@pytest.fixture
def asked_of():
    """The statements that a database is asked from now on, but for those that the keyring asks every few seconds."""

    def listen(database):
        asked = []

        def note(connection, cursor, statement, *_):
            if "api_keys" not in statement:
                asked.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        return asked

    return listen


@pytest.fixture
def put_everything(put_job, tmp_path):
    """One of each thing that an owner can have; the ids, by the names that routes give them."""

    def put(database, *, owner):
        ids = {"job_id": put_job(database, owner=owner, state="succeeded"), "model_id": new_id("mdl")}
        ids |= {"id_or_name": new_id("ds"), "webhook_id": new_id("whk"), "delivery_id": new_id("dlv")}
        now, file = datetime.now(UTC), {"key": "x", "size": 0, "sha256": "0" * 64, "media_type": "image/png"}
        model = {"name": "m", "parameters": 1, "image_size": 8, "channels": 1, "epoch": 1, "classes": []}
        model |= {"architecture": {}, "preprocessing": {}, "dataset": {}, "metrics": {}}
        about = {"event_id": "evt_x", "type": "job.failed", "payload": "{}", "state": "failed"}
        with database.transaction() as session:
            session.add(ArtifactTable(job_id=ids["job_id"], name="x.png", created_at=now, **file))
            files = [ModelFileTable(name="x.png", **file)]
            session.add(
                ModelTable(id=ids["model_id"], owner=owner, job_id=ids["job_id"], created_at=now, files=files, **model)
            )
            add_dataset(session, NewDataset(ids["id_or_name"], owner, "pets", "uploaded", path=tmp_path))
            dataset = session.get(DatasetTable, ids["id_or_name"])
            dataset.state = "ready"
            dataset.preview = {name: file[name] for name in ("key", "size", "sha256")}
            hook = {"url": "https://a", "events": [], "secret": "", "created_at": now}
            session.add(WebhookTable(id=ids["webhook_id"], owner=owner, **hook))
            session.flush()
            session.add(
                WebhookDeliveryTable(id=ids["delivery_id"], webhook_id=ids["webhook_id"], created_at=now, **about)
            )
        return ids

    return put


@pytest.fixture
def header_of(parts):
    """The header of a new key of this owner."""

    def make(owner, *scopes):
        with parts.database.transaction() as session:
            made = keys.create(session, owner=owner, scopes=scopes or [Scope.READ, Scope.SUBMIT])
        return {"Authorization": f"Bearer {made.token}"}

    return make


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
