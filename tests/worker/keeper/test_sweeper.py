"""The sweeper takes jobs from silent workers, in two passes, and repeats lost hints."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.lifecycle import JobState
from app.jobs.claims import Claims
from app.jobs.repository import JobRepository
from worker.keeper.sweeper import Sweeper


@pytest.fixture
def sweeper(settings, database, queue):
    """One that has watched for a lease already."""
    made = Sweeper(database=database, queue=queue, settings=settings)
    made._judging_from = time.monotonic()
    return made


@pytest.fixture
def renew(database):
    def beat(lease):
        with database.transaction() as session:
            return Claims(session, lease=timedelta(seconds=30)).renew(lease)

    return beat


class TestReclaim:
    def test_in_the_second_pass(self, sweeper, claimed, read):
        lease = claimed(lease_seconds=0.05)
        time.sleep(0.1)
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"
        sweeper.sweep()
        job, events = read(lease.job_id)
        assert (job.state, job.crashes, job.worker, job.phase) == ("queued", 1, None, None)
        assert job.not_before > datetime.now(UTC) - timedelta(seconds=1)
        assert [event.type for event in events[-2:]] == ["log", "state"]
        assert events[-2].data["message"] == "The worker was not heard from for 2 s."

    def test_not_one_that_speaks_up_in_between(self, sweeper, claimed, read, renew):
        lease = claimed(lease_seconds=0.05)
        time.sleep(0.1)
        sweeper.sweep()
        renew(lease)
        for _ in range(3):
            sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"

    def test_nor_one_whose_worker_is_heard(self, sweeper, claimed, read):
        lease = claimed()
        for _ in range(3):
            sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"

    def test_cancelling_becomes_cancelled(self, sweeper, claimed, read, database):
        lease = claimed(lease_seconds=0.05)
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(lease.job_id), JobState.CANCELLING)
        time.sleep(0.1)
        sweeper.sweep()
        sweeper.sweep()
        job, _ = read(lease.job_id)
        assert (job.state, job.error["code"]) == ("cancelled", "cancelled")

    def test_too_often_is_failed(self, sweeper, claimed, read):
        lease = claimed(lease_seconds=0.05, max_attempts=1)
        time.sleep(0.1)
        sweeper.sweep()
        sweeper.sweep()
        job, _ = read(lease.job_id)
        assert job.state == "failed"
        assert job.error == {
            "code": "worker_lost",
            "title": "The worker was lost",
            "detail": "The worker was not heard from for 2 s.",
            "hint": "See the worker's log; if the machine ran out of memory, lower batch_size.",
            "retryable": True,
            "attempt": 1,
        }

    def test_a_job_that_ended_in_between(self, sweeper, claimed, read, database):
        lease = claimed(lease_seconds=0.05)
        time.sleep(0.1)
        sweeper.sweep()
        with database.transaction() as session:
            Claims(session, lease=timedelta(seconds=1)).finish(lease, JobState.SUCCEEDED)
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "succeeded"


class TestPause:
    def test_judges_nobody_for_one_lease_after_its_start(self, settings, database, queue, claimed, read):
        settings.lease_seconds = 0.5
        lease = claimed(lease_seconds=0.01)
        time.sleep(0.05)
        sweeper = Sweeper(database=database, queue=queue, settings=settings)
        for _ in range(3):
            sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"
        time.sleep(0.6)
        sweeper.sweep()
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "queued"

    def test_nor_on_old_suspicions_after_an_outage(self, sweeper, claimed, read):
        lease = claimed(lease_seconds=0.05)
        time.sleep(0.1)
        sweeper.sweep()
        sweeper.pause()
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"
        sweeper._judging_from = time.monotonic()
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "running"  # a first pass again
        sweeper.sweep()
        assert read(lease.job_id)[0].state == "queued"


class TestHints:
    @pytest.fixture(autouse=True)
    def workers(self, heard):
        """As many idle ones as any of these needs."""
        heard(5)

    def test_are_repeated_for_what_waits(self, sweeper, queued, claimed, queue):
        claimed()
        id = queued(hinted_at=datetime.now(UTC) - timedelta(seconds=1))
        sweeper.sweep()
        sweeper.sweep()
        assert queue.hints == [id]  # once: the next pause is longer

    def test_also_while_nobody_is_judged(self, settings, database, queued, queue):
        id = queued()
        Sweeper(database=database, queue=queue, settings=settings).sweep()
        assert queue.hints == [id]

    def test_what_the_broker_refuses_is_due_again(self, sweeper, queued, queue, monkeypatch):
        first, second = queued(), queued()
        asked = []
        monkeypatch.setattr(queue, "hint", lambda id: asked.append(id) or id == first)
        sweeper.sweep()
        assert asked == [first, second]
        sweeper.sweep()
        assert asked == [first, second, second]

    def test_a_broker_that_is_away_is_asked_once(self, sweeper, queued, queue, monkeypatch):
        asked = []
        monkeypatch.setattr(queue, "hint", asked.append)  # None: it did not take it
        ids = [queued() for _ in range(4)]
        sweeper.sweep()
        assert asked == ids[:1]
