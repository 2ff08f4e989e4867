"""Imports of published sets: claimed, fetched in a child, checked as uploads are, seen by everybody."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from app.callers import administrator
from app.datasets import service
from app.db.tables import DatasetTable, JobEventTable, JobTable
from app.domain.specs import DatasetRef
from app.errors import ServiceError
from app.ids import stable_id
from app.jobs.claims import Claimant, Claims
from worker.datasets.errors import Problem
from worker.keeper import import_desk
from worker.keeper.import_desk import ImportDesk
from worker.keeper.verdicts import invalid


def left_behind(settings):
    return [path.name for path in settings.folder("datasets/imported").iterdir()]


class TestSuccess:
    def test_becomes_everybodys_set(self, house, submitted, child, database, settings):
        id = submitted(owner="ann")
        job = house.run()
        assert (job.state, job.error) == ("succeeded", None)
        assert job.result["counts"] == {"train": 16, "test": 4}
        assert (job.result["name"], job.result["already_there"]) == ("USPS", False)
        assert left_behind(settings) == [stable_id("ds", "USPS")]
        with database.reading() as session:
            for owner in ("ann", "bob"):
                facts = service.resolve(DatasetRef(name="USPS"), session, administrator(owner))
                assert (facts.kind, facts.state, facts.version) == ("built_in", "ready", job.result["version"])
            row = session.scalars(select(DatasetTable)).one()
            assert row.preview is not None
            assert row.size == job.result["bytes"] > 0
            told = session.scalars(select(JobEventTable).where(JobEventTable.job_id == id)).all()
        phases = [event.data["phase"] for event in told if event.type == "phase"]
        assert phases == ["downloading", "checking"]
        assert "Downloading a, 7 bytes." in [event.data.get("message") for event in told]

    def test_a_second_job_finds_it_there(self, house, submitted, child):
        submitted()
        first = house.run()
        submitted()
        second = house.run()
        assert second.result == first.result | {"already_there": True}
        assert child.count() == 1

    def test_of_two_at_once_one_fetches(self, house, submitted, child):
        submitted(owner="ann")
        submitted(owner="bob")
        house.run()
        assert sorted(job.result["already_there"] for job in house.jobs()) == [False, True]
        assert child.count() == 1

    def test_workers_leave_it_alone_and_the_desk_their_jobs(self, submitted, queued, database, settings):
        submitted()
        with database.transaction() as session:
            assert Claims(session, lease=settings.lease).claim(Claimant("host:0")) is None
        queued()
        with database.transaction() as session:
            claims = Claims(session, lease=settings.lease)
            assert claims.claim(Claimant("keeper", imports=True)).kind == "dataset_import"
            assert claims.claim(Claimant("keeper", imports=True)) is None


class TestFailures:
    def test_an_interruption_is_tried_again(self, house, submitted, child):
        child.fails()
        submitted()
        house.until(lambda: house.jobs()[0].attempts == 2)
        child.hands_over()
        assert house.run().state == "succeeded"

    def test_as_often_as_the_job_says(self, house, submitted, child, settings):
        child.fails()
        submitted(max_attempts=2)
        job = house.run()
        assert (job.state, job.error["code"], job.attempts) == ("failed", "download_failed", 2)
        assert left_behind(settings) == []

    def test_no_room(self, house, submitted, child, settings, monkeypatch):
        monkeypatch.setattr(import_desk, "free_bytes", lambda _: 0)
        submitted()
        job = house.run()
        assert (job.state, job.error["code"], child.count()) == ("failed", "storage_full", 0)

    def test_a_child_that_is_killed(self, house, submitted, child, settings):
        child.hangs()
        submitted(max_attempts=1)
        house.until(lambda: house.jobs()[0].phase == "downloading")
        os.kill(house.desk._running.process.pid, signal.SIGKILL)
        job = house.run()
        assert (job.state, job.error["code"]) == ("failed", "import_broke_off")
        assert "-9" in job.error["detail"]
        assert left_behind(settings) == []

    def test_what_fails_its_check_is_not_kept(self, house, submitted, child, settings, database):
        child.hands_over(labels=[0] * 20)
        submitted()
        job = house.run()
        assert (job.state, job.error["code"]) == ("failed", "import_unusable")
        assert job.error["detail"].startswith("Of USPS: ")
        assert left_behind(settings) == []
        with database.reading() as session:
            assert session.scalars(select(DatasetTable)).all() == []
            with pytest.raises(ServiceError, match="USPS is not imported"):
                service.resolve(DatasetRef(name="USPS"), session, administrator())
        child.hands_over()
        submitted()
        assert house.run().state == "succeeded"

    def test_time_is_up(self, house, submitted, child):
        child.hangs()
        submitted(max_runtime_seconds=0.2, on_time_limit="fail")
        assert house.run().error["code"] == "time_limit"
        house.desk._wall_time = timedelta(seconds=0.2)
        submitted()
        assert house.run().error["code"] == "import_timed_out"


class TestInTheMiddle:
    @pytest.fixture
    def held_up(self, house, submitted, child):
        """An import in the middle of its download."""
        child.hangs()
        submitted()
        house.until(lambda: house.jobs()[0].phase == "downloading")

    def change(self, database, **columns):
        with database.transaction() as session:
            job = session.scalars(select(JobTable)).one()
            for name, value in columns.items():
                setattr(job, name, value)

    @pytest.mark.parametrize(("asked", "becomes"), [("cancelling", "cancelled"), ("pausing", "paused")])
    def test_asked_to_stop(self, house, held_up, database, settings, asked, becomes):
        process = house.desk._running.process
        self.change(database, state=asked)
        house.until(lambda: house.jobs()[0].state == becomes)
        assert process.returncode is not None
        assert left_behind(settings) == []

    def test_a_keeper_that_stops_leaves_it_to_the_next(self, house, held_up, child, settings):
        house.stop()
        assert house.jobs()[0].state == "queued"
        assert left_behind(settings) == []
        child.hands_over()
        assert house.run().state == "succeeded"

    def test_a_lease_that_was_lost_writes_nothing(self, house, held_up, database, settings):
        self.change(database, fence=7)
        assert house.desk.advance() is False
        assert house.jobs()[0].state == "running"
        assert left_behind(settings) == []

    def test_a_database_that_is_away_loses_nothing(self, house, submitted, child, database, monkeypatch):
        id = submitted()
        house.until(lambda: house.desk._running and house.desk._running.process)
        house.desk._running.process.wait(30)
        as_dataset = house.desk._as_dataset
        with monkeypatch.context() as outage:
            outage.setattr(house.desk, "_as_dataset", lambda running: as_dataset(running) and pytest.fail("away"))
            with pytest.raises(pytest.fail.Exception):
                house.desk.advance()
        assert house.run().state == "succeeded"
        with database.reading() as session:
            told = session.scalars(select(JobEventTable).where(JobEventTable.job_id == id)).all()
        assert [event.data["phase"] for event in told if event.type == "phase"] == ["downloading", "checking"]
        assert child.count() == 1

    def test_the_next_keeper_waits_for_a_check_under_way(self, house, submitted, child, database, settings, store):
        submitted()
        house.until(lambda: house.jobs()[0].phase == "checking")
        house.desk.stop()
        house.desk = ImportDesk(database, settings)
        job = house.run()
        assert (job.state, child.count()) == ("succeeded", 1)

    def test_a_set_that_a_keeper_left_invalid_goes(self, house, submitted, child, database, settings):
        row = {"id": stable_id("ds", "USPS"), "name": "USPS", "owner": "", "kind": "built_in", "state": "invalid"}
        with database.transaction() as session:
            verdict = invalid([Problem("c", None, "It is bad.", "h")], found="f")
            path = str(settings.folder("datasets/imported") / row["id"])
            session.add(DatasetTable(**row, path=path, report=verdict["report"], created_at=datetime.now(UTC)))
        submitted()
        job = house.run()
        assert (job.state, job.result["already_there"], child.count()) == ("succeeded", False, 1)


class TestSecrets:
    def test_the_child_sees_none(self, house, submitted, child, monkeypatch):
        monkeypatch.setenv("SUPERCYCLE_API_KEY", "secret")
        monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
        child.hangs()
        submitted()
        house.until(lambda: house.jobs()[0].phase == "downloading")
        environment = Path(f"/proc/{house.desk._running.process.pid}/environ").read_bytes()
        assert b"LANG" in environment
        assert b"https_proxy=http://proxy.example:3128" in environment
        assert b"secret" not in environment


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
class TestRealChild:
    def test_a_set_that_workers_read_as_it_is(self, house, submitted):
        submitted("digits")
        job = house.run()
        assert (job.state, job.result["already_there"]) == ("succeeded", True)
        assert job.result["counts"] == {"train": 1797, "test": 0}

    def test_one_that_cannot_be_downloaded_says_where_its_files_belong(self, house, submitted, settings):
        submitted("FER2013")
        job = house.run()
        assert (job.state, job.error["code"], job.attempts) == ("failed", "files_needed", 1)
        assert "datasets/fer2013/" in job.error["hint"]
        assert str(settings.data_dir) not in job.error["detail"]
        assert left_behind(settings) == []

    def test_ends_with_its_keeper(self, house, submitted):
        submitted("digits")
        house.until(lambda: house.desk._running and house.desk._running.process)
        process = house.desk._running.process
        process.stdin.close()  # what the system does for a keeper that was killed
        assert process.wait(60) in (0, 75)  # at once, unless it had finished already
