"""What killed workers leave behind is removed, and nothing that somebody still needs."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.db.tables import IdempotencyKeyTable
from worker.keeper import collector
from worker.keeper.collector import Collector


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
