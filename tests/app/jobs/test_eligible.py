"""Which worker may claim which job: devices, and how many of one owner's jobs may run at once."""

import threading

import pytest

from app.db.session import Database
from app.jobs.claims import Claimant, Claims


@pytest.fixture
def hand(database, hand_of):
    return hand_of(database)


class TestDevices:
    @pytest.mark.parametrize(
        ("device", "devices", "worker", "is_claimed"),
        [
            ("any", 1, ("cpu", 1), True),
            ("any", 1, ("cuda", 1), True),
            ("cpu", 1, ("cuda", 1), False),
            ("cuda", 1, ("cpu", 1), False),
            ("cuda", 1, ("cuda", 4), True),
            ("any", 2, ("cuda", 1), False),
            ("any", 2, ("cuda", 2), True),
            ("cuda", 2, ("cpu", 2), False),
        ],
    )
    def test_a_worker_claims_what_it_has_the_devices_for(
        self, database, hand, put_job, device, devices, worker, is_claimed
    ):
        put_job(database, device=device, devices=devices)
        job = hand.do("claim", Claimant("host:0", *worker))
        assert (job is not None) == is_claimed

    def test_what_it_cannot_run_does_not_hold_up_the_rest(self, database, hand, put_job):
        put_job(database, devices=8, priority=100)
        small = put_job(database)
        assert hand.claim().job_id == small


class TestOwners:
    def test_one_with_enough_running_waits(self, database, hand, put_job):
        first, second, other = (put_job(database, owner=owner) for owner in ("ann", "ann", "ben"))
        lease = hand.claim(most_per_owner=1)
        assert lease.job_id == first
        assert hand.claim(most_per_owner=1).job_id == other
        assert hand.claim(most_per_owner=1) is None
        hand.do("give_back", lease)
        assert hand.claim(most_per_owner=1).job_id == first
        assert hand.claim(most_per_owner=2).job_id == second

    @pytest.mark.parametrize("state", ["pausing", "cancelling"])
    def test_one_that_stops_still_counts(self, database, hand, put_job, state):
        put_job(database, state=state)
        put_job(database)
        assert hand.claim(most_per_owner=1) is None

    def test_racing_workers_keep_to_the_limit(self, settings, database, put_job):
        for _ in range(12):
            put_job(database)
        claimed, start = [], threading.Barrier(6)

        def race(number):
            own = Database(settings.database)
            start.wait()
            with own.transaction() as session:
                job = Claims(session, lease=settings.lease).claim(Claimant(f"host:{number}"), most_per_owner=3)
            claimed.append(job is not None)
            own.dispose()

        threads = [threading.Thread(target=race, args=[number]) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(claimed) == 3
