"""Figures for Prometheus: what they count, and that they are written as its rules want."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.db.tables import DatasetTable, KeeperTable, WebhookDeliveryTable, WebhookTable, WorkerTable
from app.db.types import database_in, database_now
from app.ids import new_id
from app.jobs.claims import Claims


@pytest.fixture
def heard(parts):
    """A worker was heard from, so long ago."""

    def put(name, *, device="cpu", ago=timedelta()):
        with parts.database.transaction() as session:
            times = {"started_at": database_now(), "heard_at": database_in(-ago)}
            session.add(WorkerTable(name=name, device=device, **times))

    return put


@pytest.fixture
def families(client):
    """What Prometheus reads, by name."""

    def scrape():
        response = client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        return {family.name: family for family in text_string_to_metric_families(response.text)}

    return scrape


@pytest.fixture
def value(families):
    """One figure, or None."""

    def find(name, **labels):
        samples = [sample for family in families().values() for sample in family.samples]
        return next((one.value for one in samples if (one.name, one.labels) == (name, labels)), None)

    return find


class TestJobs:
    def test_by_kind_and_state(self, value, parts, put_job):
        states = [("training", "queued"), ("training", "queued"), ("training", "failed"), ("range_test", "queued")]
        for kind, state in states:
            put_job(parts.database, kind=kind, state=state)
        assert value("supercycle_jobs", kind="training", state="queued") == 2
        assert value("supercycle_jobs", kind="training", state="failed") == 1
        assert value("supercycle_jobs", kind="range_test", state="queued") == 1

    def test_age_of_the_queue(self, value, parts, put_job):
        assert value("supercycle_queue_age_seconds") == 0
        long_ago = datetime.now(UTC) - timedelta(minutes=10)
        put_job(parts.database, state="running", created_at=long_ago - timedelta(days=1))
        put_job(parts.database, created_at=long_ago)
        put_job(parts.database)
        assert value("supercycle_queue_age_seconds") == pytest.approx(600, abs=5)

    def test_a_scrape_reads_once(self, client, monkeypatch):
        reads = []
        monkeypatch.setattr("app.metrics.JobRepository.oldest_queued", lambda _: reads.append(1))
        client.get("/metrics")
        assert reads == [1]


class TestWorkers:
    def test_when_each_was_heard(self, value, heard):
        heard("host:1", ago=timedelta(seconds=30))
        age = value("supercycle_worker_heard_seconds", worker="host:1", device="cpu")
        assert age == pytest.approx(30, abs=2)

    def test_speed_and_memory_of_what_they_train(self, value, heard, parts, put_job):
        heard("host:0", device="cuda:0")
        progress = {"step": 10, "steps_per_second": 12.5, "memory_bytes": 3 << 30}
        put_job(parts.database, state="running", worker="host:0", progress=progress)
        labels = {"worker": "host:0", "device": "cuda:0"}
        assert value("supercycle_worker_steps_per_second", **labels) == 12.5
        assert value("supercycle_worker_memory_bytes", **labels) == 3 << 30

    def test_nothing_of_jobs_that_have_ended_or_not_begun_to_step(self, families, heard, parts, put_job):
        heard("host:0")
        done = {"steps_per_second": 12.5, "memory_bytes": 1}
        put_job(parts.database, state="succeeded", worker="host:0", progress=done)
        put_job(parts.database, state="running", worker="host:0", progress={"steps_per_second": None})
        assert families()["supercycle_worker_steps_per_second"].samples == []
        assert families()["supercycle_worker_memory_bytes"].samples == []

    def test_a_worker_that_came_back_before_its_lost_job_was_reclaimed(self, value, heard, parts, put_job):
        heard("host:0")
        now = datetime.now(UTC)
        for age_minutes, rate in ((1, 5.0), (9, 7.0)):  # the later claim is put first
            claimed = {"claimed_at": now - timedelta(minutes=age_minutes), "progress": {"steps_per_second": rate}}
            put_job(parts.database, state="running", worker="host:0", **claimed)
        assert value("supercycle_worker_steps_per_second", worker="host:0", device="cpu") == 5


class TestFaults:
    def test_are_there_before_the_first(self, value):
        assert value("supercycle_faults_total", code="lease_expired") == 0

    def test_by_code(self, value, parts):
        with parts.database.transaction() as session:
            claims = Claims(session, lease=timedelta(seconds=2))
            for code in ("lease_expired", "native_crash", "native_crash"):
                claims.count_fault(code)
        assert value("supercycle_faults_total", code="lease_expired") == 1
        assert value("supercycle_faults_total", code="native_crash") == 2


class TestKeeper:
    @pytest.mark.parametrize(("lease", "up"), [(None, 0), (timedelta(seconds=20), 1), (timedelta(seconds=-1), 0)])
    def test_is_up_as_long_as_its_lease(self, value, parts, lease, up):
        if lease is not None:
            with parts.database.transaction() as session:
                session.add(KeeperTable(role="keeper", holder="host:1", lease_until=database_in(lease)))
        assert value("supercycle_keeper_up") == up

    def test_data_sets_by_state(self, value, parts):
        facts = {"kind": "uploaded", "path": "x", "created_at": datetime.now(UTC)}
        with parts.database.transaction() as session:
            for number, state in enumerate(["validating", "validating", "invalid"]):
                session.add(DatasetTable(id=new_id("ds"), name=str(number), state=state, **facts))
        found = {state: value("supercycle_datasets", state=state) for state in ("validating", "ready", "invalid")}
        assert found == {"validating": 2, "ready": 0, "invalid": 1}


class TestDeliveries:
    @pytest.fixture
    def put(self, parts):
        """Deliveries in these states, that came to be so long ago."""

        def insert(*states, ago=timedelta()):
            created = datetime.now(UTC) - ago
            webhook = {"owner": "ann", "url": "https://example.com/", "events": [], "secret": "whsec_"}
            event = {"event_id": "evt_x", "type": "job.failed", "payload": "{}"}
            with parts.database.transaction() as session:
                row = WebhookTable(id=new_id("whk"), created_at=created, **webhook)
                session.add(row)
                session.flush()
                for state in states:
                    ids = {"id": new_id("dlv"), "webhook_id": row.id}
                    session.add(WebhookDeliveryTable(**ids, **event, state=state, created_at=created))

        return insert

    def test_by_state(self, value, put):
        put("pending", "delivered", "delivered")
        put("pending")
        counts = {"pending": 2, "delivered": 2, "failed": 0}
        assert {state: value("supercycle_webhook_deliveries", state=state) for state in counts} == counts

    def test_age_of_the_oldest_that_waits(self, value, put):
        assert value("supercycle_webhook_pending_age_seconds") == 0
        put("delivered", "failed", ago=timedelta(days=2))
        put("pending", ago=timedelta(hours=1))
        put("pending")
        assert value("supercycle_webhook_pending_age_seconds") == pytest.approx(3600, abs=5)


class TestForm:
    """What `promtool check metrics` looks at."""

    @pytest.fixture
    def full(self, families, heard, parts, put_job):
        heard("host:0")
        progress = {"steps_per_second": 1.0, "memory_bytes": 1}
        put_job(parts.database, state="running", worker="host:0", progress=progress)
        return {name: family for name, family in families().items() if name.startswith("supercycle_")}

    def test_each_has_help_a_type_and_figures(self, full):
        assert len(full) == 10
        for family in full.values():
            assert family.documentation.endswith(".")
            assert family.type in ("gauge", "counter")
            assert family.samples

    def test_names(self, full):
        for family in full.values():
            assert {sample.name.endswith("_total") for sample in family.samples} == {family.type == "counter"}
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
            assert not re.search(r"milli|minutes|kilo|megabytes|_ms$", family.name)  # base units only

    def test_each_is_explained_to_operators(self, full):
        page = (Path(__file__).parents[2] / "docs/howto/deploy.md").read_text()
        explained = set(re.findall(r"^\| `(supercycle_\w+?)(?:_total)?(?:\{.*\})?` \|", page, re.MULTILINE))
        assert explained == set(full)

    def test_no_series_twice(self, full):
        series = [(sample.name, *sorted(sample.labels.items())) for one in full.values() for sample in one.samples]
        assert len(series) == len(set(series))

    def test_a_database_that_is_away_is_no_empty_answer(self, client, parts):
        with parts.database.transaction() as session:
            session.execute(text("ALTER TABLE faults RENAME TO away"))
        assert client.get("/metrics").status_code == 503
