"""Live and ready: each part named, with what to do about it."""

import re
import shutil
import socket
import time
from datetime import timedelta
from importlib.metadata import version

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from app.config import Settings
from app.db.schema import newest_revision
from app.db.session import Database
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
            "version": version("supercycle"),
            "parts": {
                "database": {"ok": True, "detail": "answers"},
                "schema": {"ok": True, "detail": f"at {newest_revision()}"},
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
        assert self.bad(client) == {
            "broker": "does not answer (Connection refused): see whether it runs, and whether SUPERCYCLE_BROKER_URL "
            "leads to it; submitted jobs wait meanwhile"
        }

    def test_an_old_schema(self, client, parts):
        heard(parts.database, "host:0")
        set_revision(parts.database, "0000")
        assert self.bad(client) == {
            "schema": f"schema_behind: at 0000, needs {newest_revision()}; run `supercycle migrate`",
            "worker": "not known: see schema",
        }

    def test_a_schema_from_the_future(self, client, parts):
        set_revision(parts.database, "9999")
        assert self.bad(client)["schema"].startswith(f"schema_ahead: at 9999, this version knows {newest_revision()}; ")


def set_revision(database, revision):
    with database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


class TestPartsThatAreReallyDown:
    """A service on its own settings, with one part of it taken away."""

    @pytest.fixture
    def bad(self, tmp_path):
        def ask(*, take_away=lambda settings: None, **settings):
            settings = Settings(**{"data_dir": tmp_path / "data"} | settings)
            with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
                take_away(settings)
                parts = client.get("/readyz").json()["parts"]
            return {name: part["detail"] for name, part in parts.items() if not part["ok"]}

        return ask

    def test_a_database_without_tables(self, bad, settings):
        database = Database(settings.database)
        with database.transaction() as session:
            for table in ("alembic_version", "workers"):
                session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_away"))
        try:
            assert bad(database_url=settings.database) == {
                "schema": f"schema_behind: at None, needs {newest_revision()}; run `supercycle migrate`",
                "worker": "not known: see schema",
            }
        finally:
            with database.transaction() as session:
                for table in ("alembic_version", "workers"):
                    session.execute(text(f"ALTER TABLE {table}_away RENAME TO {table}"))
            database.dispose()

    def test_a_postgresql_that_is_not_there(self, bad, free_port):
        found = bad(database_url=f"postgresql+psycopg://me:hidden@127.0.0.1:{free_port}/none")
        assert found == {
            "database": "does not answer (OperationalError): see whether it runs, and whether SUPERCYCLE_DATABASE_URL "
            "leads to it",
            "schema": "not known: see database",
            "worker": "not known: see schema",
        }

    def test_a_redis_that_refuses(self, bad, free_port, sqlite_settings):
        found = bad(data_dir=sqlite_settings.data_dir, broker_url=f"redis://:hidden@127.0.0.1:{free_port}/0")
        assert set(found) == {"broker", "worker"}
        assert re.fullmatch(r"does not answer \(\w+\): .* SUPERCYCLE_BROKER_URL .*", found["broker"])

    def test_a_redis_that_says_nothing(self, bad, sqlite_settings):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
            began = time.monotonic()
            found = bad(data_dir=sqlite_settings.data_dir, broker_url=url)
        assert found["broker"].startswith("does not answer")
        assert time.monotonic() - began < 5

    def test_an_embedded_broker_whose_folder_is_gone(self, bad, sqlite_settings):
        found = bad(data_dir=sqlite_settings.data_dir, take_away=lambda settings: put_file_at(settings, "broker"))
        assert found["broker"].startswith("does not answer (Not a directory): ")

    def test_a_storage_that_cannot_be_written(self, bad, sqlite_settings):
        found = bad(data_dir=sqlite_settings.data_dir, take_away=lambda settings: put_file_at(settings, "storage"))
        assert found["storage"].startswith("does not answer (Not a directory): see whether the folder is there and ")

    def test_an_s3_that_does_not_answer(self, bad, sqlite_settings, s3_url, monkeypatch, free_port):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
        found = bad(data_dir=sqlite_settings.data_dir, storage_url=s3_url)
        assert found["storage"] == "The storage of files does not answer. See whether it runs and can be reached."


def put_file_at(settings, name):
    """Nobody can write into a folder that is a file, not even root."""
    shutil.rmtree(settings.folder(name))
    (settings.data_dir / name).touch()


class TestLive:
    def test_always(self, client, queue):
        queue.down = True
        assert client.get("/healthz").json() == {"status": "live"}
