"""What killed workers leave behind is removed, and nothing that somebody still needs."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.tables import DatasetTable, IdempotencyKeyTable
from app.ids import new_id
from worker.keeper import collector
from worker.keeper.asides import Aside
from worker.keeper.collector import Collector

LONG_AGO = datetime.now(UTC) - timedelta(days=9)


def make(folder, name, *, age_seconds):
    path = folder / name
    path.mkdir()
    (path / "checkpoint.pt").write_bytes(b"bits")
    then = time.time() - age_seconds
    os.utime(path, (then, then))
    return path


@pytest.fixture
def collect(database, settings):
    return Collector(database, settings).collect


class TestCollector:
    @pytest.mark.parametrize("kind", ["checkpoints", "attempts"])
    def test_removes_what_no_job_needs(self, collect, settings, claimed, database, queued, kind):
        folder, old = settings.folder(kind), 2 * collector.KEPT_SECONDS
        running = make(folder, claimed().job_id, age_seconds=old)
        waiting = make(folder, queued(), age_seconds=old)
        gone = make(folder, "job_nobody_knows", age_seconds=old)
        young = make(folder, "job_just_ended", age_seconds=1)
        collect()
        assert [path.exists() for path in (running, waiting, gone, young)] == [True, True, False, True]

    def test_removes_abandoned_uploads(self, collect, settings):
        upload = settings.folder("uploads") / "ds_nobody_knows"
        upload.write_bytes(b"half an archive")
        then = time.time() - 2 * collector.KEPT_SECONDS
        os.utime(upload, (then, then))
        collect()
        assert not upload.exists()

    @pytest.mark.parametrize(
        ("state", "upload", "kept"),
        [
            ("validating", "uploads/x", ["archive", "whole"]),
            ("ready", None, ["whole"]),
            ("invalid", None, []),
        ],
    )
    def test_removes_what_a_killed_keeper_left_of_a_check(self, collect, database, settings, state, upload, kept):
        id = new_id("ds")
        facts = {"owner": "ann", "name": "pets", "kind": "uploaded", "path": "x", "created_at": LONG_AGO}
        with database.transaction() as session:
            session.add(DatasetTable(id=id, state=state, upload=upload, **facts))
        sets, old = settings.folder("datasets/uploaded"), 2 * collector.KEPT_SECONDS
        left = {"half": make(sets, f".{id}-abc", age_seconds=old), "whole": make(sets, id, age_seconds=old)}
        left["half, of an earlier release"] = make(sets, f".{id}", age_seconds=old)
        left["archive"] = make(settings.folder("uploads"), id, age_seconds=old)
        collect()
        assert sorted(name for name, path in left.items() if path.exists()) == kept

    @pytest.mark.parametrize("is_known", [True, False])
    def test_leaves_what_a_check_under_way_unpacks(self, collect, database, settings, is_known):
        id = new_id("ds")
        facts = {"owner": "ann", "name": "pets", "kind": "uploaded", "path": "x", "created_at": LONG_AGO}
        if is_known:
            with database.transaction() as session:
                session.add(DatasetTable(id=id, state="validating", upload="x", **facts))
        aside = Aside(settings.folder("datasets/uploaded") / id)
        aside.images.mkdir()
        then = time.time() - 2 * collector.KEPT_SECONDS
        os.utime(aside.images.parent, (then, then))
        collect()
        assert aside.images.exists()
        aside.remove()

    def test_removes_images_whose_row_is_gone(self, collect, database, settings, queued):
        queued(created_at=LONG_AGO)
        sets = settings.folder("datasets/uploaded")
        gone, young = make(sets, new_id("ds"), age_seconds=2 * collector.KEPT_SECONDS), make(sets, "x", age_seconds=1)
        collect()
        assert [path.exists() for path in (gone, young)] == [False, True]

    def test_leaves_images_that_are_older_than_this_database(self, collect, database, settings, queued):
        old = make(settings.folder("datasets/uploaded"), new_id("ds"), age_seconds=2 * collector.KEPT_SECONDS)
        collect()  # nothing is known of this database yet
        queued(created_at=datetime.now(UTC))
        Collector(database, settings).collect()
        assert old.exists()

    def test_removes_downloads_of_killed_workers(self, collect, settings):
        """One under way writes into a folder below its own, whose time stays that of its beginning."""
        sets, old = settings.folder("datasets"), 2 * collector.KEPT_SECONDS
        killed, under_way = (make(sets, f".download-{name}", age_seconds=old) for name in ("killed", "under_way"))
        just_begun, of_the_operator = make(sets, ".download-new", age_seconds=1), make(sets, "MNIST", age_seconds=old)
        for folder, age in ((killed, old), (under_way, 1)):
            then = time.time() - age
            os.utime(folder / "checkpoint.pt", (then, then))
        collect()
        left = [path.exists() for path in (killed, under_way, just_begun, of_the_operator)]
        assert left == [False, True, True, True]

    def test_forgets_answers_after_a_day(self, collect, database):
        now = datetime.now(UTC)
        with database.transaction() as session:
            for key, age in (("old", timedelta(hours=25)), ("young", timedelta(hours=23))):
                facts = {"owner": "ann", "fingerprint": "", "status": 202, "headers": {}, "body": ""}
                session.add(IdempotencyKeyTable(key=key, created_at=now - age, **facts))
        collect()
        with database.reading() as session:
            assert list(session.scalars(select(IdempotencyKeyTable.key))) == ["young"]

    def test_looks_only_now_and_then(self, collect, settings):
        collect()
        late = make(settings.folder("attempts"), "job_late", age_seconds=2 * collector.KEPT_SECONDS)
        collect()
        assert late.exists()
