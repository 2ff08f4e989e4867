"""How long a job has run, of which its time limit is measured, and the faults it met."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.db.tables import FaultTable, JobTable
from app.jobs.claims import LeaseLost
from app.jobs.repository import begin_again

ERROR = {"code": "native_crash", "title": "Crash", "detail": "It crashed.", "hint": "Look.", "retryable": True}


@pytest.fixture
def hand(database, hand_of):
    return hand_of(database)


@pytest.fixture
def job(database):
    """Its row as it is now."""

    def read(id):
        with database.reading() as session:
            return session.get(JobTable, id)

    return read


@pytest.fixture
def ran(job):
    return lambda id: job(id).ran_seconds


@pytest.fixture
def faults(database):
    def counts():
        with database.reading() as session:
            return {row.code: row.count for row in session.scalars(select(FaultTable))}

    return counts


class TestRunTime:
    def test_it_adds_up_over_claims_and_leaves_the_queue_out(self, database, hand, put_job, ran):
        id = put_job(database)
        for _ in range(2):
            lease = hand.claim()
            time.sleep(0.2)
            hand.do("give_back", lease)
            time.sleep(0.2)
        assert ran(id) == pytest.approx(0.4, abs=0.15)

    def test_a_silent_worker_s_time_ends_with_its_lease(self, database, hand, put_job, ran):
        hand.lease_time = timedelta(seconds=0.1)
        id = put_job(database)
        lease = hand.claim()
        time.sleep(0.5)
        hand.do("reclaim", lease, error=ERROR)
        assert ran(id) == pytest.approx(0.1, abs=0.05)

    def test_work_before_a_pause_counts_after_it_but_not_to_the_limit(self, database, hand, put_job, ran, job):
        id = put_job(database)
        lease = hand.claim()
        time.sleep(0.2)
        hand.do("give_back", lease)
        with database.transaction() as session:
            begin_again(session.get(JobTable, id), session)
        time.sleep(0.3)
        assert ran(id) == 0
        assert job(id).worked_seconds == pytest.approx(0.2, abs=0.1)


class TestPauseByTheWorker:
    def test_it_says_why(self, database, hand, put_job):
        id = put_job(database)
        lease = hand.claim()
        hand.do("pause", lease, reason="The time is up.")
        hand.do("give_back", lease)
        with database.reading() as session:
            assert session.get(JobTable, id).state == "paused"

    def test_a_cancellation_that_came_before_wins(self, database, hand, put_job):
        id = put_job(database)
        lease = hand.claim()
        hand.write(lease, change=lambda job: setattr(job, "state", "cancelling"))
        hand.do("pause", lease, reason="The time is up.")
        hand.do("give_back", lease)
        with database.reading() as session:
            assert session.get(JobTable, id).state == "cancelled"


class TestFaults:
    def test_each_is_counted_by_its_code(self, database, hand, put_job, faults):
        for _ in range(2):
            put_job(database)
            hand.do("lose", hand.claim(), error=ERROR)
        assert faults() == {"native_crash": 2}

    def test_an_expired_lease_is_one_more(self, database, hand, put_job, faults):
        hand.lease_time = timedelta(seconds=0)
        put_job(database)
        lease = hand.claim()
        hand.do("reclaim", lease, error=ERROR | {"code": "worker_lost"})
        assert faults() == {"lease_expired": 1, "worker_lost": 1}

    def test_a_fenced_worker_counts_nothing(self, database, hand, put_job, faults):
        put_job(database)
        lease = hand.claim()
        hand.do("give_back", lease)
        with pytest.raises(LeaseLost):
            hand.do("lose", lease, error=ERROR)
        assert faults() == {}
