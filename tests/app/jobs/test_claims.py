"""Claims, leases and fences: two workers never hold one job, and whoever lost it writes nothing."""

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from app.db.session import Database
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.jobs.claims import Claimant, Claims, Lease, LeaseLost
from app.jobs.repository import CANCELLED, JobRepository

ERROR = {
    "code": "worker_lost",
    "title": "Lost",
    "detail": "The worker fell silent.",
    "hint": "Look.",
    "retryable": True,
}


@pytest.fixture
def hand(database, hand_of):
    return hand_of(database)


@pytest.fixture
def read(database):
    def row(id):
        with database.reading() as session:
            return session.get(JobTable, id)

    return row


@pytest.fixture
def history(database):
    def events(id):
        with database.reading() as session:
            rows = JobRepository(session).events(id)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))  # without gaps
        return [(row.type, row.data) for row in rows]

    return events


class TestClaim:
    def test_what_a_claim_sets(self, database, hand, put_job, read, history):
        id = put_job(database)
        job = hand.do("claim", Claimant("host:0"))
        for row in (job, read(id)):
            assert (row.id, row.state, row.worker, row.fence, row.attempts) == (id, "running", "host:0", 1, 1)
            assert row.lease_until.timestamp() == pytest.approx(time.time() + 30, abs=2)
            assert row.started_at.timestamp() == pytest.approx(time.time(), abs=5)
        assert history(id)[-1] == ("state", {"state": "running", "previous": "queued"})

    def test_nothing_to_claim(self, database, hand, put_job):
        for state in JobState:
            if state != JobState.QUEUED:
                put_job(database, state=state)
        assert hand.claim() is None

    def test_priority_then_age(self, database, hand, put_job):
        old, low, high, newer_high = (put_job(database, priority=priority) for priority in (0, -5, 7, 7))
        assert [hand.claim().job_id for _ in range(4)] == [high, newer_high, old, low]
        assert hand.claim() is None

    def test_not_before_its_time(self, database, hand, put_job):
        now = datetime.now(UTC)
        put_job(database, not_before=now + timedelta(minutes=1), priority=9)
        due = put_job(database, not_before=now - timedelta(minutes=1))
        assert hand.claim().job_id == due
        assert hand.claim() is None

    def test_the_fence_grows_with_every_claim(self, database, hand, put_job, read):
        id = put_job(database)
        started = []
        for fence in (1, 2, 3):
            lease = hand.claim()
            assert lease == Lease(id, fence)
            started.append(read(id).started_at)
            hand.do("give_back", lease)
        assert started == [started[0]] * 3  # the job started once
        assert read(id).attempts == 3

    def test_racing_workers_never_get_the_same_job(self, settings, database, put_job):
        ids = {put_job(database) for _ in range(30)}
        claimed, barrier = [], threading.Barrier(4)

        def work(name):
            mine = Database(settings.database)  # as another process has
            barrier.wait()
            while True:
                with mine.transaction() as session:
                    job = Claims(session, lease=timedelta(seconds=30)).claim(Claimant(name))
                if job is None:
                    break
                claimed.append((job.id, job.fence, name))
            mine.dispose()

        threads = [threading.Thread(target=work, args=(f"host:{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(id for id, _, _ in claimed) == Counter(ids)
        assert {fence for _, fence, _ in claimed} == {1}


class TestFence:
    @pytest.fixture
    def two(self, database, hand, put_job):
        """A lease that was lost, and the one that replaced it."""
        put_job(database)
        old = hand.claim()
        hand.do("give_back", old)
        return old, hand.claim("host:1")

    @pytest.mark.parametrize(
        ("name", "arguments", "options"),
        [
            ("renew", [], {}),
            ("look", [], {}),
            ("held", [], {}),
            ("write", [[]], {"change": lambda job: setattr(job, "name", "zombie")}),
            ("finish", [JobState.SUCCEEDED], {}),
            ("give_back", [], {}),
            ("lose", [], {"error": ERROR}),
            ("reclaim", [], {"error": ERROR}),
        ],
    )
    def test_a_stale_one_writes_nothing(self, hand, two, read, history, name, arguments, options):
        stale, valid = two
        before, events = read(valid.job_id), history(valid.job_id)
        with pytest.raises(LeaseLost):
            hand.do(name, stale, *arguments, **options)
        after = read(valid.job_id)
        columns = JobTable.__table__.columns.keys()
        assert {name: getattr(after, name) for name in columns} == {name: getattr(before, name) for name in columns}
        assert history(valid.job_id) == events
        assert hand.do("renew", valid) == "running"

    @pytest.mark.parametrize("name", ["renew", "look", "held", "give_back"])
    def test_a_job_that_is_gone(self, database, hand, put_job, name):
        put_job(database)
        lease = hand.claim()
        with database.transaction() as session:
            JobRepository(session).delete(session.get(JobTable, lease.job_id))
        with pytest.raises(LeaseLost):
            hand.do(name, lease)

    def test_an_ended_job_takes_no_more(self, database, hand, put_job):
        put_job(database)
        lease = hand.claim()
        hand.do("finish", lease, JobState.SUCCEEDED)
        with pytest.raises(LeaseLost):
            hand.write(lease, ("log", {"level": "info", "message": "late"}))


class TestLease:
    def test_a_heartbeat_extends_it_and_says_what_is_wanted(self, database, hand, put_job, read):
        id = put_job(database)
        lease = hand.claim()
        hand.lease_time = timedelta(seconds=300)
        revision = read(id).revision
        assert hand.do("renew", lease) is JobState.RUNNING
        assert read(id).lease_until.timestamp() == pytest.approx(time.time() + 300, abs=2)
        assert read(id).revision == revision  # nothing that anybody sees has changed
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(id), JobState.CANCELLING)
        assert hand.do("look", lease) is JobState.CANCELLING
        assert hand.do("renew", lease) is JobState.CANCELLING
        assert hand.write(lease) is JobState.CANCELLING

    def test_writing_changes_row_and_history_and_renews(self, database, hand, put_job, read, history):
        id = put_job(database)
        lease = hand.claim()
        hand.lease_time = timedelta(seconds=300)
        hand.write(lease, ("phase", {"phase": "training"}), change=lambda job: setattr(job, "phase", "training"))
        assert read(id).phase == "training"
        assert history(id)[-1] == ("phase", {"phase": "training"})
        assert read(id).lease_until.timestamp() == pytest.approx(time.time() + 300, abs=2)


class TestEnd:
    @pytest.mark.parametrize("to", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED])
    def test_finish(self, database, hand, put_job, read, history, to):
        id = put_job(database)
        lease = hand.claim()
        error = {JobState.FAILED: ERROR, JobState.CANCELLED: CANCELLED | {"attempt": 1}}.get(to)
        hand.do("finish", lease, to, error=error)
        job = read(id)
        assert (job.state, job.error, job.phase, job.lease_until) == (to, error, None, None)
        assert job.finished_at is not None
        expected = {"state": to.value, "previous": "running"} | ({"error": error} if error else {})
        assert history(id)[-1] == ("state", expected)

    @pytest.mark.parametrize(
        ("name", "arguments", "options"),
        [
            ("finish", [JobState.SUCCEEDED], {}),
            ("finish", [JobState.FAILED], {"error": ERROR}),
            ("give_back", [], {}),
            ("lose", [], {"error": ERROR}),
        ],
    )
    def test_a_cancelling_job_ends_cancelled_however_it_ends(
        self, database, hand, put_job, read, name, arguments, options
    ):
        id = put_job(database)
        lease = hand.claim()
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(id), JobState.CANCELLING)
        hand.do(name, lease, *arguments, **options)
        assert (read(id).state, read(id).error["code"]) == ("cancelled", "cancelled")

    def test_give_back_blames_nobody(self, database, hand, put_job, read):
        id = put_job(database)
        for _ in range(5):  # more often than max_attempts
            lease = hand.claim()
            hand.write(lease, change=lambda job: setattr(job, "phase", "training"))
            hand.do("give_back", lease)
        job = read(id)
        assert (job.state, job.crashes, job.worker, job.phase, job.not_before) == ("queued", 0, None, None, None)


class TestCrashes:
    def crash(self, hand, database):
        with database.transaction() as session:
            session.query(JobTable).update({"not_before": None})
        return hand.do("lose", hand.claim(), error=ERROR)

    def test_backoff_then_failure(self, database, hand, put_job, read, history):
        id = put_job(database, max_attempts=4)
        for pause in (0.5, 5, 30):
            assert self.crash(hand, database) is JobState.QUEUED
            job = read(id)
            assert job.not_before.timestamp() == pytest.approx(time.time() + pause, abs=2)
            assert (job.worker, job.error) == (None, None)
            assert history(id)[-2] == ("log", {"level": "warning", "message": "The worker fell silent."})
        assert self.crash(hand, database) is JobState.FAILED
        assert (read(id).state, read(id).error, read(id).attempts) == ("failed", ERROR, 4)

    def test_nothing_comes_after_the_pause_in_which_it_ends(self, database, hand, put_job, history):
        # Whoever follows a job leaves at a pause, and would wait for ever behind a later word.
        id = put_job(database)
        lease = hand.claim()
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(id), JobState.PAUSING)
        assert hand.do("lose", lease, error=ERROR) is JobState.PAUSED
        assert [name for name, _ in history(id)[-2:]] == ["log", "state"]

    @pytest.mark.parametrize("most", [1, 2])
    def test_as_often_as_allowed(self, database, hand, put_job, read, most):
        id = put_job(database, max_attempts=most)
        states = [self.crash(hand, database) for _ in range(most)]
        assert states == [JobState.QUEUED] * (most - 1) + [JobState.FAILED]
        assert read(id).crashes == most


class TestReclaim:
    def test_only_after_the_lease_ran_out_by_the_databases_clock(self, database, hand, put_job, read):
        id = put_job(database)
        hand.lease_time = timedelta(seconds=0.4)
        lease = hand.claim()
        assert hand.do("lost_leases") == []
        with pytest.raises(LeaseLost):
            hand.do("reclaim", lease, error=ERROR)
        time.sleep(0.5)
        assert hand.do("lost_leases") == [lease]
        assert hand.do("reclaim", lease, error=ERROR) is JobState.QUEUED
        assert (read(id).state, read(id).crashes, read(id).lease_until) == ("queued", 1, None)
        assert hand.do("lost_leases") == []

    def test_not_from_one_that_spoke_up(self, database, hand, put_job):
        put_job(database)
        hand.lease_time = timedelta(seconds=0.1)
        lease = hand.claim()
        time.sleep(0.2)
        assert hand.do("lost_leases") == [lease]
        hand.lease_time = timedelta(seconds=30)
        assert hand.do("renew", lease) is JobState.RUNNING  # late, but nobody else has it
        with pytest.raises(LeaseLost):
            hand.do("reclaim", lease, error=ERROR)

    def test_ended_and_queued_jobs_hold_no_lease(self, database, hand, put_job):
        past = datetime.now(UTC) - timedelta(hours=1)
        for state in ("queued", "succeeded", "failed", "cancelled"):
            put_job(database, state=state, lease_until=past)
        held = {put_job(database, state=state, lease_until=past) for state in ("running", "cancelling")}
        assert {lease.job_id for lease in hand.do("lost_leases")} == held
