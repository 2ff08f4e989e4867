"""Uploaded sets are measured once, and deleted when nobody has used them for as long as the operator says."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.callers import administrator
from app.datasets import service
from app.db.tables import DatasetTable, JobTable
from app.ids import new_id
from worker.keeper.stored_sets import StoredSets

DAYS = 30
NOW = datetime.now(UTC)
LONG_AGO, LATELY = NOW - timedelta(days=DAYS + 1), NOW - timedelta(days=DAYS - 1)


@pytest.fixture
def put_set(database, settings):
    """An uploaded set with its folder; returns its id."""

    def put(*, created_at=LONG_AGO, state="ready", kind="uploaded", size=1):
        id = new_id("ds")
        folder = settings.folder("datasets/uploaded") / id
        (folder / "cat").mkdir(parents=True)
        (folder / "cat" / "0.png").write_bytes(b"a picture")
        facts = {"owner": "ann", "name": id.removeprefix("ds_"), "path": str(folder), "upload": None}
        with database.transaction() as session:
            session.add(DatasetTable(id=id, kind=kind, state=state, created_at=created_at, size=size, **facts))
        return id

    return put


@pytest.fixture
def use(database):
    """A job on a set."""

    def put(dataset_id, *, finished_at, state="succeeded"):
        job = {"id": new_id("job"), "kind": "training", "spec": {}, "created_at": LONG_AGO, "finished_at": finished_at}
        with database.transaction() as session:
            session.add(JobTable(dataset_id=dataset_id, state=state, **job))

    return put


@pytest.fixture
def look_after(database, store, settings):
    def run(*, days):
        StoredSets(database, store, settings.model_copy(update={"unused_dataset_days": days})).look_after()

    return run


def left(database):
    with database.reading() as session:
        return set(session.scalars(select(DatasetTable.id)))


class TestUnused:
    def test_those_that_nobody_used_go_with_their_images(self, database, settings, put_set, look_after):
        unused, young = put_set(), put_set(created_at=LATELY)
        look_after(days=DAYS)
        assert left(database) == {young}
        assert [path.name for path in settings.folder("datasets/uploaded").iterdir()] == [young]
        assert unused != young

    def test_those_that_failed_their_check_go_too(self, database, put_set, look_after):
        put_set(state="invalid", size=None)
        look_after(days=DAYS)
        assert left(database) == set()

    def test_a_job_that_ended_lately_keeps_its_set(self, database, put_set, use, look_after):
        used, before = put_set(), put_set()
        use(used, finished_at=LATELY)
        use(before, finished_at=LONG_AGO)
        look_after(days=DAYS)
        assert left(database) == {used}

    @pytest.mark.parametrize("state", ["queued", "running", "paused"])
    def test_a_job_that_has_not_ended_keeps_its_set(self, database, put_set, use, look_after, state):
        used = put_set()
        use(used, finished_at=None, state=state)
        look_after(days=DAYS)
        assert left(database) == {used}

    def test_registered_folders_and_those_that_wait_stay(self, database, put_set, look_after):
        kept = {put_set(kind="registered"), put_set(state="validating")}
        look_after(days=DAYS)
        assert left(database) == kept

    def test_without_the_setting_all_stay(self, database, put_set, look_after):
        kept = {put_set()}
        look_after(days=None)
        assert left(database) == kept


class TestExpiries:
    def test_are_told_before(self, database, put_set, use):
        idle, used, busy, folder = put_set(), put_set(), put_set(), put_set(kind="registered")
        use(used, finished_at=LATELY)
        use(busy, finished_at=None, state="running")
        listed = service.list_datasets(database, administrator(), limit=200, after=None)
        told = service.expiries(database, listed, days=DAYS)
        expected = {idle: LONG_AGO + timedelta(days=DAYS), used: LATELY + timedelta(days=DAYS)}
        assert {id: told[id].timestamp() for id in told} == pytest.approx(
            {id: moment.timestamp() for id, moment in expected.items()}
        )
        assert not {busy, folder} & set(told)
        assert service.expiries(database, listed, days=None) == {}


class TestMeasuring:
    def test_sets_of_an_earlier_version(self, database, put_set, look_after):
        id, other = put_set(size=None), put_set(size=7)
        look_after(days=None)
        with database.reading() as session:
            assert [session.get(DatasetTable, each).size for each in (id, other)] == [len(b"a picture"), 7]
