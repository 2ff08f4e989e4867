"""The keeper sends what is due without waiting for it, to a real receiver on loopback, whatever that one does."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image
from sqlalchemy import select, update

from app.config import Settings
from app.db.tables import DatasetTable, JobTable, WebhookDeliveryTable, WebhookTable
from app.domain.lifecycle import JobState
from app.ids import new_id
from app.jobs.claims import Claimant, Claims
from app.jobs.repository import JobRepository
from app.webhooks import due
from app.webhooks.events import EVENT_TYPES
from worker.keeper.deliveries import MOST_PER_WEBHOOK, MOST_THREADS, Deliverer
from worker.keeper.imports import Importer
from worker.keeper.main import Keeper
from worker.keeper.sending import Sender


@pytest.fixture
def put_webhook(database, secret):
    """A webhook of the administrator's; returns its id."""

    def put(url, **columns):
        usual = {"id": new_id("whk"), "owner": "admin", "url": url, "events": list(EVENT_TYPES), "secret": secret}
        row = WebhookTable(**usual | {"created_at": datetime.now(UTC)} | columns)
        with database.transaction() as session:
            session.add(row)
        return row.id

    return put


@pytest.fixture
def happen(database, queued):
    """Jobs are cancelled; returns their ids."""

    def cancel(count=1):
        ids = [queued() for _ in range(count)]
        with database.transaction() as session:
            jobs = JobRepository(session)
            for id in ids:
                jobs.move(jobs.lock(id), JobState.CANCELLED)
        return ids

    return cancel


@pytest.fixture
def deliverer(database):
    made = Deliverer(database, send=Sender(private_allowed=True).send, jitter=lambda: 0.0)
    yield made
    made.stop(patience_seconds=10)


@pytest.fixture
def rows(database):
    def read():
        with database.reading() as session:
            return list(session.scalars(select(WebhookDeliveryTable).order_by(WebhookDeliveryTable.id)))

    return read


@pytest.fixture
def hurry(database):
    """What waits for its next attempt is due now."""

    def change():
        with database.transaction() as session:
            waiting = update(WebhookDeliveryTable).where(WebhookDeliveryTable.state == "pending")
            session.execute(waiting.values(next_at=datetime.now(UTC) - timedelta(seconds=1)))

    return change


def until(condition, *, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestDelivery:
    def test_arrives(self, receiver, put_webhook, happen, deliverer, rows):
        put_webhook(receiver.url)
        [job] = happen()
        deliverer.advance()
        until(lambda: rows()[0].state == "delivered")
        [arrival], [row] = receiver.arrived, rows()
        assert (arrival.verified["type"], arrival.verified["data"]["id"]) == ("job.cancelled", job)
        assert (arrival.headers["webhook-id"], arrival.body.decode()) == (row.event_id, row.payload)
        assert (row.attempts, row.response_status, row.error) == (1, 204, None)

    def test_after_failures_under_the_same_id(self, receiver, put_webhook, happen, deliverer, rows, hurry):
        receiver.answers = [500, 302, 204]
        put_webhook(receiver.url)
        happen()
        for attempt in (1, 2, 3):
            deliverer.advance()
            until(lambda attempt=attempt: rows()[0].attempts == attempt)
            deliverer.stop(patience_seconds=10)
            if attempt < 3:
                assert rows()[0].state == "pending"
                hurry()
        assert rows()[0].state == "delivered"
        assert len(receiver.arrived) == 3
        assert len({(one.headers["webhook-id"], one.body) for one in receiver.arrived}) == 1

    def test_not_before_the_receiver_wants_to_hear_again(self, receiver, put_webhook, happen, deliverer, rows):
        receiver.answers = [receiver.busy("3600")]
        put_webhook(receiver.url)
        happen()
        deliverer.advance()
        until(lambda: rows()[0].response_status == 503)
        assert rows()[0].next_at - datetime.now(UTC) == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=20))

    def test_many_and_each_once(self, receiver, put_webhook, happen, deliverer, rows):
        put_webhook(receiver.url)
        jobs = happen(60)
        until(lambda: deliverer.advance() or {row.state for row in rows()} == {"delivered"}, seconds=60)
        assert sorted(one.verified["data"]["id"] for one in receiver.arrived) == jobs

    def test_gone_is_the_end(self, receiver, put_webhook, happen, deliverer, rows, hurry, database):
        receiver.answers = [410]
        webhook = put_webhook(receiver.url)
        happen()
        deliverer.advance()
        until(lambda: rows()[0].state == "failed")
        with database.reading() as session:
            assert session.get(WebhookTable, webhook).disabled_at is not None
        happen()
        assert len(rows()) == 1

    def test_an_error_of_our_own_is_no_end(self, database, put_webhook, happen, rows):
        def send(mine):
            raise KeyError("unforeseen")

        put_webhook("https://example.com/")
        happen()
        deliverer = Deliverer(database, send=send)
        deliverer.advance()
        until(lambda: rows()[0].error is not None)
        deliverer.stop(patience_seconds=10)
        assert rows()[0].state == "pending"
        assert "keeper's log" in rows()[0].error

    def test_old_ones_are_forgotten(self, put_webhook, happen, deliverer, rows, database):
        put_webhook("https://example.com/")
        happen()
        with database.transaction() as session:
            old = {"state": "failed", "created_at": datetime.now(UTC) - due.KEPT - timedelta(days=1)}
            session.execute(update(WebhookDeliveryTable).values(**old))
        deliverer.advance()
        assert rows() == []


class TestSlowReceivers:
    def test_hold_up_neither_the_keeper_nor_others(self, start_receiver, put_webhook, happen, deliverer, rows):
        slow, quick = start_receiver(), start_receiver()
        slow.answers = [slow.hang]
        put_webhook(slow.url)
        happen(30)
        other = put_webhook(quick.url)
        happen(5)
        began = time.monotonic()
        for _ in range(3):
            deliverer.advance()
        assert time.monotonic() - began < 2
        until(lambda: deliverer.advance() or len(quick.arrived) == 5)
        assert len(slow.arrived) == MOST_PER_WEBHOOK
        until(lambda: all(row.state == "delivered" for row in rows() if row.webhook_id == other))
        deliverer.stop()  # does not wait for them either
        assert time.monotonic() - began < 15
        slow.released.set()

    def test_never_more_at_once_than_threads(self, start_receiver, put_webhook, happen, deliverer):
        slow = start_receiver()
        slow.answers = [slow.hang]
        for _ in range(10):
            put_webhook(slow.url)
        happen(3)
        until(lambda: deliverer.advance() or len(slow.arrived) == MOST_THREADS)
        for _ in range(3):
            deliverer.advance()
        assert sum(thread.name == "delivery" for thread in threading.enumerate()) == MOST_THREADS
        assert len(slow.arrived) == MOST_THREADS
        slow.released.set()


class TestDatasets:
    @pytest.mark.parametrize("state", ["ready", "invalid"])
    def test_the_end_of_a_check_is_told(self, database, store, put_webhook, rows, tmp_path, state):
        put_webhook("https://example.com/")
        put_webhook("https://example.com/", owner="ann")
        if state == "ready":
            save_pictures(tmp_path / "pets")
        else:
            (tmp_path / "pets").mkdir()
        facts = {"id": new_id("ds"), "name": "pets", "kind": "registered", "state": "validating"}
        with database.transaction() as session:
            session.add(DatasetTable(**facts, path=str(tmp_path / "pets"), created_at=datetime.now(UTC)))
        importer = Importer(database, store)
        until(lambda: not importer.advance(), seconds=60)
        [row] = rows()
        assert row.type == f"dataset.{state}"
        data = json.loads(row.payload)["data"]
        assert (data["id"], data["kind"], data["name"], data["state"]) == (facts["id"], "registered", "pets", state)
        assert (data["href"], data["model_id"]) == (f"/v1/datasets/{facts['id']}", None)
        assert (data["error"] is None) == (state == "ready")
        if state == "invalid":
            assert data["error"].keys() == {"code", "path", "detail", "hint"}


def save_pictures(folder):
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (8, 8), (40 * number, 80, 120)).save(folder / kind / f"{number}.png")


class TestKeeper:
    def test_delivers_in_its_round(self, settings, receiver, put_webhook, database, queued, rows):
        allowing = settings.model_copy(update={"webhook_private_hosts": True})
        put_webhook(receiver.url)
        id = queued()
        with database.transaction() as session:
            claims = Claims(session, lease=timedelta(seconds=30))
            claims.claim(Claimant("host:0"))
            claims.jobs.move(claims.jobs.lock(id), JobState.SUCCEEDED)
        over = threading.Event()
        keeper = threading.Thread(target=Keeper(allowing, over=over).run)
        keeper.start()
        until(lambda: len(receiver.arrived) == 2)
        over.set()
        keeper.join(30)
        assert sorted(one.verified["type"] for one in receiver.arrived) == ["job.started", "job.succeeded"]
        assert {row.state for row in rows()} == {"delivered"}

    def test_refuses_private_hosts_unless_they_are_allowed(self, settings, receiver, put_webhook, happen, rows):
        put_webhook(receiver.url)
        happen()
        over = threading.Event()
        keeper = threading.Thread(target=Keeper(settings, over=over).run)
        keeper.start()
        until(lambda: rows()[0].error is not None)
        over.set()
        keeper.join(30)
        assert rows()[0].error == "It must begin with https://."
        assert (rows()[0].state, receiver.arrived) == ("pending", [])

    def test_killed_in_the_middle_another_sends_again(
        self, settings: Settings, receiver, put_webhook, happen, database, rows, hurry
    ):
        receiver.answers = [receiver.hang, 204]
        put_webhook(receiver.url)
        [job] = happen()
        mine = {
            "SUPERCYCLE_DATA_DIR": str(settings.data_dir),
            "SUPERCYCLE_DATABASE_URL": settings.database_url,
            "SUPERCYCLE_WEBHOOK_PRIVATE_HOSTS": "true",
            "SUPERCYCLE_SWEEP_SECONDS": "0.1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        process = subprocess.Popen([sys.executable, "-m", "worker.keeper"], env=os.environ | mine)
        try:
            until(lambda: len(receiver.arrived) == 1, seconds=60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        [row] = rows()
        assert (row.state, row.attempts, row.response_status) == ("pending", 1, None)
        assert 30 < (row.next_at - datetime.now(UTC)).total_seconds() <= 60  # nobody else sends it meanwhile
        hurry()
        successor = Deliverer(database, send=Sender(private_allowed=True).send)
        until(lambda: successor.advance() or rows()[0].state == "delivered")
        successor.stop(patience_seconds=10)
        first, second = receiver.arrived
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert second.verified["data"]["id"] == job
        with database.reading() as session:
            assert session.get(JobTable, job).state == "cancelled"
