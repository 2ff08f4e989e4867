"""What happens is written down for the webhooks of its owner in the same transaction, or not at all."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.callers import administrator
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import JobRepository
from app.webhooks import service

ERROR = {"code": "diverged", "title": "T", "detail": "D", "hint": "H", "retryable": False, "attempt": 1}


@pytest.fixture
def move(database):
    """Move a job; with `fail`, the transaction breaks off afterwards."""

    def change(id, *states, fail=False, **options):
        with database.transaction() as session:
            jobs = JobRepository(session)
            for state in states:
                jobs.move(jobs.lock(id), state, **options)
            if fail:
                raise RuntimeError("the power went")

    return change


@pytest.fixture
def claim(database):
    def take():
        with database.transaction() as session:
            job = Claims(session, lease=timedelta(seconds=30)).claim(Claimant("host:0"))
            return Lease(job.id, job.fence)

    return take


def told(rows):
    return [(row.type, json.loads(row.payload)["data"]["state"]) for row in rows]


class TestJobs:
    def test_the_body(self, database, put_webhook, put_job, move, deliveries):
        webhook, job = put_webhook(), put_job(database, state="running", name="Größe")
        before = datetime.now(UTC)
        move(job, JobState.FAILED, error=ERROR)
        [row] = deliveries()
        assert (row.webhook_id, row.type, row.state, row.attempts) == (webhook, "job.failed", "pending", 0)
        assert row.event_id.startswith("evt_")
        body = json.loads(row.payload)
        assert body.keys() == {"type", "timestamp", "data"}
        assert (body["type"], body["timestamp"][-1]) == ("job.failed", "Z")
        assert before <= datetime.fromisoformat(body["timestamp"]) <= datetime.now(UTC)
        assert body["data"] == {
            "id": job,
            "kind": "training",
            "name": "Größe",
            "state": "failed",
            "error": ERROR,
            "model_id": None,
            "href": f"/v1/jobs/{job}",
        }

    def test_started_once_however_often_it_is_tried(self, database, put_webhook, put_job, claim, deliveries):
        put_webhook()
        put_job(database)
        with database.transaction() as session:
            Claims(session, lease=timedelta(seconds=30)).give_back(claim())
        claim()
        assert told(deliveries()) == [("job.started", "running")]

    @pytest.mark.parametrize(
        ("state", "moves", "expected"),
        [
            ("queued", ["paused"], [("job.paused", "paused")]),
            ("queued", ["paused", "queued", "paused"], [("job.paused", "paused")] * 2),
            ("queued", ["cancelled"], [("job.cancelled", "cancelled")]),
            ("running", ["pausing"], []),
            ("running", ["cancelling"], []),
            ("running", ["queued"], []),
            ("running", ["pausing", "paused"], [("job.paused", "paused")]),
            ("running", ["cancelling", "cancelled"], [("job.cancelled", "cancelled")]),
            ("running", ["succeeded"], [("job.succeeded", "succeeded")]),
        ],
    )
    def test_which_moves(self, database, put_webhook, put_job, move, deliveries, state, moves, expected):
        put_webhook()
        move(put_job(database, state=state), *map(JobState, moves))
        assert told(deliveries()) == expected

    def test_success_names_the_model(self, database, put_webhook, put_job, claim, deliveries):
        put_webhook(events=["job.succeeded"])
        put_job(database)
        lease = claim()
        with database.transaction() as session:
            Claims(session, lease=timedelta(seconds=30)).finish(lease, JobState.SUCCEEDED, model_id="mdl_x")
        assert [json.loads(row.payload)["data"]["model_id"] for row in deliveries()] == ["mdl_x"]

    def test_a_cancelled_one_names_none(self, database, put_webhook, put_job, claim, move, deliveries):
        put_webhook(events=["job.cancelled"])
        put_job(database)
        lease = claim()
        move(lease.job_id, JobState.CANCELLING)
        with database.transaction() as session:
            job = Claims(session, lease=timedelta(seconds=30)).finish(lease, JobState.SUCCEEDED, model_id="mdl_x")
            assert job.model_id is None
        assert [json.loads(row.payload)["data"]["model_id"] for row in deliveries()] == [None]


class TestOneTransaction:
    def test_what_did_not_happen_is_not_told(self, database, put_webhook, put_job, move, deliveries):
        put_webhook()
        job = put_job(database, state="running")
        with pytest.raises(RuntimeError):
            move(job, JobState.SUCCEEDED, fail=True)
        assert deliveries() == []
        with database.reading() as session:
            assert session.get(JobTable, job).state == "running"

    def test_what_cannot_be_told_does_not_happen(self, database, put_webhook, put_job, move, monkeypatch):
        put_webhook()
        job = put_job(database, state="running")

        def refuse(prefix):
            raise OSError("no more ids")

        monkeypatch.setattr("app.webhooks.outbox.new_id", refuse)
        with pytest.raises(OSError, match="no more ids"):
            move(job, JobState.SUCCEEDED)
        with database.reading() as session:
            assert session.get(JobTable, job).state == "running"


class TestWho:
    def test_each_of_the_owners_webhooks_under_one_event(self, database, put_webhook, put_job, move, deliveries):
        webhooks = [put_webhook(owner="ann"), put_webhook(owner="ann")]
        move(put_job(database, owner="ann"), JobState.CANCELLED)
        rows = deliveries()
        assert [row.webhook_id for row in rows] == webhooks
        assert len({(row.event_id, row.payload) for row in rows}) == 1

    def test_nobody_elses_not_even_an_administrators(self, database, put_webhook, put_job, move, deliveries):
        put_webhook(owner="admin")
        put_webhook(owner="bob")
        move(put_job(database, owner="ann"), JobState.CANCELLED)
        assert deliveries() == []

    def test_only_what_was_asked_for(self, database, put_webhook, put_job, move, deliveries):
        put_webhook(events=["job.failed", "dataset.ready"])
        move(put_job(database), JobState.PAUSED, JobState.CANCELLED)
        assert deliveries() == []

    def test_not_one_that_is_disabled(self, database, put_webhook, put_job, move, deliveries):
        put_webhook(disabled_at=datetime.now(UTC))
        move(put_job(database), JobState.CANCELLED)
        assert deliveries() == []

    def test_one_that_is_deleted_meanwhile_hinders_nothing(self, database, put_webhook, put_job, move, deliveries):
        webhook, job = put_webhook(), put_job(database)
        with database.transaction() as session:
            service.delete(session, webhook, administrator())
            thread = threading.Thread(target=move, args=(job, JobState.CANCELLED))
            thread.start()
            time.sleep(0.2)  # long enough to store the delivery, if it did not wait
        thread.join(30)
        assert deliveries() == []
        with database.reading() as session:
            assert session.get(JobTable, job).state == "cancelled"
