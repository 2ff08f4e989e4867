"""Live, ready and measured: each part named, with what to do about it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.config import Settings
from app.db.tables import WorkerTable
from app.db.types import database_in, database_now
from app.main import create_app


def heard(database, name, *, ago=timedelta()):
    with database.transaction() as session:
        session.add(WorkerTable(name=name, device="cpu", started_at=database_now(), heard_at=database_in(-ago)))


class TestReady:
    def test_when_every_part_works(self, client, parts):
        heard(parts.database, "host:0")
        response = client.get("/readyz")
        assert response.status_code == 200
        assert response.json() == {
            "ready": True,
            "parts": {
                "database": {"ok": True, "detail": "answers"},
                "schema": {"ok": True, "detail": "at 0001"},
                "broker": {"ok": True, "detail": "answers"},
                "storage": {"ok": True, "detail": "answers"},
                "worker": {"ok": True, "detail": "heard from host:0"},
            },
        }

    def bad(self, client):
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["ready"] is False
        return {name: part["detail"] for name, part in response.json()["parts"].items() if not part["ok"]}

    def test_no_worker(self, client):
        assert self.bad(client) == {"worker": "no worker was heard from; start one with `supercycle worker`"}

    @pytest.mark.parametrize(("ago", "ready"), [(6.0, True), (6.5, False)])  # 3 heartbeats of 0.4 s, and 5 s more
    def test_a_worker_that_fell_silent(self, client, parts, ago, ready):
        heard(parts.database, "host:0", ago=timedelta(seconds=ago))
        assert (client.get("/readyz").status_code == 200) is ready

    def test_broker_down(self, client, parts, queue):
        heard(parts.database, "host:0")
        queue.down = True
        assert self.bad(client) == {"broker": "does not answer: ConnectionRefusedError"}

    def test_an_old_schema(self, client, parts):
        heard(parts.database, "host:0")
        with parts.database.transaction() as session:
            session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        assert self.bad(client) == {"schema": "schema_behind: at 0000, needs 0001; run `supercycle migrate`"}

    def test_a_database_without_tables(self, tmp_path, queue):
        with TestClient(create_app(Settings(data_dir=tmp_path), queue=queue), base_url="http://127.0.0.1") as client:
            bad = self.bad(client)
        assert bad["schema"] == "schema_behind: at None, needs 0001; run `supercycle migrate`"
        assert bad["worker"].startswith("does not answer")

    def test_storage_away(self, client, parts, monkeypatch, free_port):
        heard(parts.database, "host:0")
        monkeypatch.setattr(type(parts.store), "ping", lambda _: open("/no/such/place"))  # noqa: SIM115, PTH123
        assert self.bad(client) == {"storage": "does not answer: FileNotFoundError"}


class TestLive:
    def test_always(self, client, queue):
        queue.down = True
        assert client.get("/healthz").json() == {"status": "live"}


class TestMetrics:
    def samples(self, client):
        response = client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain")
        return dict(re.findall(r"^([a-z_]+(?:\{.*\})?) (\S+)$", response.text, re.MULTILINE))

    def test_jobs_by_kind_and_state(self, client, parts, put_job):
        for kind, state in [
            ("training", "queued"),
            ("training", "queued"),
            ("training", "failed"),
            ("range_test", "queued"),
        ]:
            put_job(parts.database, kind=kind, state=state)
        samples = self.samples(client)
        assert samples['supercycle_jobs{kind="training",state="queued"}'] == "2.0"
        assert samples['supercycle_jobs{kind="training",state="failed"}'] == "1.0"
        assert samples['supercycle_jobs{kind="range_test",state="queued"}'] == "1.0"

    def test_age_of_the_queue(self, client, parts, put_job):
        assert self.samples(client)["supercycle_queue_age_seconds"] == "0.0"
        long_ago = datetime.now(UTC) - timedelta(minutes=10)
        put_job(parts.database, state="running", created_at=long_ago - timedelta(days=1))
        put_job(parts.database, created_at=long_ago)
        put_job(parts.database)
        assert float(self.samples(client)["supercycle_queue_age_seconds"]) == pytest.approx(600, abs=5)

    def test_a_scrape_reads_once(self, client, monkeypatch):
        reads = []
        monkeypatch.setattr("app.health.JobRepository.oldest_queued", lambda _: reads.append(1))
        self.samples(client)
        assert reads == [1]

    def test_workers(self, client, parts):
        heard(parts.database, "host:1", ago=timedelta(seconds=30))
        age = self.samples(client)['supercycle_worker_heard_seconds{worker="host:1"}']
        assert float(age) == pytest.approx(30, abs=2)
