"""Figures for Prometheus: what they count, and that they are written as its rules want."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.db.tables import WorkerTable
from app.db.types import database_in, database_now
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


class TestForm:
    """What `promtool check metrics` looks at."""

    @pytest.fixture
    def full(self, families, heard, parts, put_job):
        heard("host:0")
        progress = {"steps_per_second": 1.0, "memory_bytes": 1}
        put_job(parts.database, state="running", worker="host:0", progress=progress)
        return {name: family for name, family in families().items() if name.startswith("supercycle_")}

    def test_each_has_help_a_type_and_figures(self, full):
        assert len(full) == 6
        for family in full.values():
            assert family.documentation.endswith(".")
            assert family.type in ("gauge", "counter")
            assert family.samples

    def test_names(self, full):
        for family in full.values():
            assert {sample.name.endswith("_total") for sample in family.samples} == {family.type == "counter"}
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", family.name)
            assert not re.search(r"milli|minutes|kilo|megabytes|_ms$", family.name)  # base units only

    def test_no_series_twice(self, full):
        series = [(sample.name, *sorted(sample.labels.items())) for one in full.values() for sample in one.samples]
        assert len(series) == len(set(series))

    def test_a_database_that_is_away_is_no_empty_answer(self, client, parts):
        with parts.database.transaction() as session:
            session.execute(text("ALTER TABLE faults RENAME TO away"))
        assert client.get("/metrics").status_code == 503
