"""A lease is kept while the supervisor is busy, and its thread hears what happens to the job."""

import time

import pytest
from sqlalchemy.exc import OperationalError

from app.domain.lifecycle import JobState
from app.jobs.claims import Claims, LeaseLost
from app.jobs.repository import JobRepository
from worker.lease import LeaseKeeper


@pytest.fixture
def keeper(database, settings, claimed):
    """A keeper of a lease of 2 s that renews every 0.4 s."""
    lease = claimed(lease_seconds=settings.lease_seconds)
    return LeaseKeeper(database=database, lease=lease, settings=settings), lease


def soon(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestLeaseKeeper:
    def test_outlasts_the_lease(self, database, settings, keeper):
        keeper, _ = keeper
        with keeper:
            time.sleep(1.5 * settings.lease_seconds)
            with database.reading() as session:
                assert Claims(session, lease=settings.lease).lost_leases() == []
            assert keeper.state() is JobState.RUNNING

    def test_hears_of_a_cancel(self, database, keeper):
        keeper, lease = keeper
        with keeper:
            with database.transaction() as session:
                jobs = JobRepository(session)
                jobs.move(jobs.lock(lease.job_id), JobState.CANCELLING)
            soon(lambda: keeper.state() is JobState.CANCELLING)

    def test_says_when_the_job_is_lost(self, database, settings, keeper):
        keeper, lease = keeper
        with keeper:
            with database.transaction() as session:
                Claims(session, lease=settings.lease).give_back(lease)
            with pytest.raises(LeaseLost):
                soon(lambda: keeper.state() is None)

    def test_counts_the_silence_of_a_database_that_is_down(self, keeper, monkeypatch):
        keeper, _ = keeper

        def down(**_):
            raise OperationalError("SELECT 1", {}, Exception("gone"))

        monkeypatch.setattr(keeper, "_ask", down)
        with keeper:
            time.sleep(1.0)
            assert keeper.silence_seconds() >= 0.9
            assert keeper.state() is JobState.RUNNING  # it trains on
