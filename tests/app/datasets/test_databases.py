"""What must hold on SQLite and on PostgreSQL alike: names are unique, and what is needed cannot be deleted."""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.callers import administrator
from app.datasets import service
from app.datasets.repository import DatasetRepository
from app.datasets.service import NewDataset
from app.db.tables import JobTable
from app.domain.specs import DatasetRef
from app.errors import Conflict, Unprocessable
from app.ids import new_id


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request):
    return request.getfixturevalue(f"{request.param}_settings")


@pytest.fixture
def pets(database, images, tmp_path, check_all):
    """A registered folder that was checked."""
    for name, data in images.items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    row = add(database, tmp_path / "pets")
    check_all()
    return row


def add(database, path, owner="admin"):
    with database.transaction() as session:
        return service.add(session, NewDataset(new_id("ds"), owner, "pets", "registered", path))


def refusals(action):
    """Run `action` in a thread; the codes it was refused with arrive in the list."""
    codes = []

    def run():
        try:
            action()
        except Conflict as error:
            codes.append(error.code)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, codes


class TestNames:
    def test_of_two_at_once_one_gets_it(self, database):
        def add_pets():
            add(database, Path("/pets"))

        attempts = [refusals(add_pets) for _ in range(4)]
        for thread, _ in attempts:
            thread.join(30)
        assert [code for _, codes in attempts for code in codes] == ["name_taken"] * 3


class TestChecks:
    def test_the_row_tells_what_was_found(self, database, pets):
        with database.reading() as session:
            row = DatasetRepository(session).get(pets.id)
            assert (row.state, row.counts["train"], row.image["side"]) == ("ready", {"cat": 3, "dog": 3}, 8)
            assert DatasetRepository(session).oldest_validating() is None


class TestDelete:
    def test_waits_for_a_submission_under_way_and_is_then_refused(self, database, store, pets):
        with database.transaction() as session:
            facts = service.resolve(DatasetRef(name="pets"), session, administrator())
            thread, codes = refusals(lambda: service.delete(database, store, "pets", administrator()))
            time.sleep(0.3)  # long enough to be deleted, if nothing held it
            job = JobTable(id=new_id("job"), kind="training", state="queued", spec={}, created_at=datetime.now(UTC))
            job.dataset_id = facts.id
            session.add(job)
        thread.join(30)
        assert codes == ["dataset_in_use"]
        with database.reading() as session:
            assert service.find(session, "pets", administrator()).id == pets.id

    def test_a_submission_that_waits_for_one_is_refused(self, database, pets):
        refused = []

        def submit():
            try:
                with database.transaction() as session:
                    service.resolve(DatasetRef(name="pets"), session, administrator())
            except Unprocessable as error:
                refused.append(error.code)

        thread = threading.Thread(target=submit)
        with database.transaction() as session:
            datasets = DatasetRepository(session)
            datasets.delete(datasets.lock(pets.id))
            thread.start()
            time.sleep(0.3)  # long enough to have looked it up, and to wait for the lock
        thread.join(30)
        assert refused == ["unknown_dataset"]
