"""Objects that no row names go once they are old, in a folder and in S3; nothing else does."""

import os
from datetime import UTC, datetime, timedelta

import pytest

from app.artifacts.store import ArtifactStore
from app.db.tables import ArtifactTable, DatasetTable, JobTable, ModelFileTable, ModelTable
from app.ids import new_id
from worker.keeper.collector import Collector
from worker.keeper.garbage import Garbage

FACTS = {"size": 1, "sha256": "d", "media_type": "image/png"}
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def settings(sqlite_settings, storage_url):
    return sqlite_settings.model_copy(update={"storage_url": storage_url})


@pytest.fixture
def store(storage_url):
    return ArtifactStore(storage_url)


@pytest.fixture
def put(store, tmp_path):
    def write(*keys):
        (tmp_path / "file").write_bytes(b"x")
        for key in keys:
            store.put(key, tmp_path / "file")

    return write


@pytest.fixture
def sweep(database, store):
    def whole(*, younger_stays=timedelta(0)):
        garbage = Garbage(database, store, younger_stays=younger_stays)
        garbage.begin()
        for _ in range(10):
            garbage.sweep_page()

    return whole


@pytest.fixture
def job(database, queued):
    return queued(created_at=LONG_AGO)


class TestArtifacts:
    def test_those_of_fences_that_lost(self, database, put, store, sweep, job):
        kept, lost = f"jobs/{job}/2/ab/loss.png", f"jobs/{job}/1/cd/loss.png"
        put(kept, lost)
        with database.transaction() as session:
            session.add(ArtifactTable(job_id=job, name="loss.png", key=kept, created_at=LONG_AGO, **FACTS))
        sweep()
        assert [store.exists(key) for key in (kept, lost)] == [True, False]

    def test_those_of_jobs_that_were_deleted(self, put, store, sweep, job):
        put(key := f"jobs/{new_id('job')}/1/ab/loss.png")
        sweep()
        assert not store.exists(key)

    def test_not_before_they_are_old(self, put, store, sweep, job):
        put(key := f"jobs/{job}/1/ab/loss.png")
        sweep(younger_stays=timedelta(minutes=1))
        assert store.exists(key)


class TestModels:
    def test_one_that_never_got_a_row(self, database, put, store, sweep, job):
        known, unknown = new_id("mdl"), new_id("mdl")
        put(f"models/{known}/weights", f"models/{known}/half", f"models/{unknown}/weights")
        lists = {"classes": [], "architecture": {}, "preprocessing": {}, "dataset": {}, "metrics": {}}
        numbers = {"parameters": 1, "image_size": 8, "channels": 1, "epoch": 1, "created_at": LONG_AGO}
        file = ModelFileTable(name="weights", key=f"models/{known}/weights", **FACTS)
        with database.transaction() as session:
            session.add(ModelTable(id=known, job_id=job, name="n", files=[file], **lists, **numbers))
        sweep()
        left = [found.key for page in store.pages("models/") for found in page]
        assert left == [f"models/{known}/weights"]


class TestCheckpoints:
    @pytest.mark.parametrize(("state", "stays"), [("queued", True), ("running", True), ("cancelled", False)])
    def test_those_that_a_job_may_go_on_from(self, database, put, store, sweep, job, state, stays):
        named, unnamed = f"checkpoints/{job}/1/b.pt", f"checkpoints/{job}/1/a.pt"
        put(named, unnamed)
        with database.transaction() as session:
            row = session.get(JobTable, job)
            row.state, row.checkpoint = state, {"step": 2, "copies": [{"key": named, "sha256": "d"}]}
        sweep()
        assert [store.exists(key) for key in (named, unnamed)] == [stays, False]


class TestPreviews:
    def test_those_of_sets_that_were_deleted_or_checked_by_another(self, database, put, store, sweep, job):
        pets = new_id("ds")
        kept, lost, orphan = f"datasets/{pets}/a/p.png", f"datasets/{pets}/b/p.png", f"datasets/{new_id('ds')}/a/p.png"
        put(kept, lost, orphan)
        facts = {"name": "pets", "kind": "uploaded", "state": "ready", "path": "", "created_at": LONG_AGO}
        with database.transaction() as session:
            session.add(DatasetTable(id=pets, preview={"key": kept, "size": 1, "sha256": "d"}, **facts))
        sweep()
        assert [store.exists(key) for key in (kept, lost, orphan)] == [True, False, False]


class TestStrangers:
    def test_what_is_not_ours_stays(self, put, store, sweep, job):
        keys = ["jobs/printer/queue.txt", "models/of-trains/1.jpg", "photos/job_1.png"]
        put(*keys)
        sweep()
        assert all(store.exists(key) for key in keys)

    def test_what_is_older_than_every_job_stays(self, put, store, sweep, database, queued):
        put(key := f"models/{new_id('mdl')}/weights")  # of the database that was used before
        sweep()
        queued(created_at=datetime.now(UTC) + timedelta(seconds=2))
        sweep()
        assert store.exists(key)


class TestUnfinished:
    def test_what_a_killed_put_left_in_a_folder(self, database, tmp_path):
        left = tmp_path / "storage" / "models" / new_id("mdl") / "weights.safetensors#1"
        left.parent.mkdir(parents=True)
        left.touch()
        os.utime(left, (LONG_AGO.timestamp(),) * 2)
        store = ArtifactStore((tmp_path / "storage").as_uri())
        Garbage(database, store, younger_stays=timedelta(hours=1)).begin()
        assert not left.exists()


class TestPages:
    def test_one_at_a_time(self, database, put, store, job, monkeypatch):
        monkeypatch.setattr("app.artifacts.store.PAGE_OBJECTS", 2)
        put(*[f"jobs/{job}/1/ab/{number}.png" for number in range(5)])
        garbage = Garbage(database, store, younger_stays=timedelta(0))
        garbage.begin()
        left = []
        for _ in range(4):
            garbage.sweep_page()
            left.append(sum(len(page) for page in store.pages("jobs/")))
        assert left == [3, 1, 0, 0]


class TestCollector:
    def test_goes_through_the_storage_where_it_has_one(self, database, settings, put, store, job, monkeypatch):
        monkeypatch.setattr("worker.keeper.collector.KEPT_SECONDS", 0)
        quick = settings.model_copy(update={"lease_seconds": 1e-9})
        put(key := f"jobs/{job}/1/ab/loss.png")
        alone, keeper = Collector(database, quick), Collector(database, quick, store=store)
        for _ in range(3):
            alone.collect()
        assert store.exists(key)
        for _ in range(3):  # the first begins, the next take a page each
            keeper.collect()
        assert not store.exists(key)
