"""`supercycle doctor`: a line for each check, what to do, and an exit code."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner

from app.config import Settings
from supercycle.cli import doctor, parts_checks
from supercycle.cli.app import app
from supercycle.cli.devices import Torch
from supercycle.cli.findings import Level
from supercycle.cli.parts_checks import check_broker, check_database, check_storage
from supercycle.cli.settings_checks import check_settings


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs `supercycle doctor` in an empty folder, with only the settings that are given; torch answers at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("supercycle.cli.operate.ask_torch", lambda: Torch(version="2.10", devices=["cpu"]))

    def invoke(*arguments, **settings):
        env = {f"SUPERCYCLE_{name.upper()}": value for name, value in settings.items()}
        return CliRunner().invoke(app, ("doctor", *arguments), env=env)

    return invoke


@pytest.fixture
def listening():
    """An address where somebody listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def redis_with(tmp_path, free_port):
    """Starts a Redis of the test's own with these options; returns its URL."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    servers = []

    def start(*options):
        usual = ("--port", str(free_port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--save", "")
        servers.append(subprocess.Popen(["redis-server", *usual, *options], stdout=subprocess.DEVNULL))
        deadline = time.monotonic() + 10
        while not listens(free_port):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return f"redis://127.0.0.1:{free_port}/0"

    yield start
    for server in servers:
        server.kill()
        server.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class TestCommand:
    def test_a_good_machine(self, run, tmp_path):
        found = run("--json")
        findings = {finding["name"]: finding for finding in json.loads(found.stdout)}
        assert found.exit_code == 0, findings
        assert {finding["level"] for finding in findings.values()} == {"ok"}
        assert findings["torch"]["detail"].startswith("2.10 on cpu")
        names = {"versions", "settings", "data folder", "file system", "database", "broker", "storage", "torch"}
        assert set(findings) == names
        assert list(tmp_path.iterdir()) == []  # it looks, and leaves nothing

    def test_one_line_each_with_what_to_do(self, run, monkeypatch):
        monkeypatch.setattr("supercycle.cli.operate.ask_torch", lambda: Torch(problem="No module named 'torch'"))
        found = run(
            broker_url="redis://:secret@127.0.0.1:9/0", database_url="postgresql+psycopg://me:secret@127.0.0.1:9/x"
        )
        assert found.exit_code == 1
        lines = {line.split()[1].rstrip(":"): line for line in found.stdout.splitlines()}
        assert lines["broker"].startswith("problem  broker: redis://127.0.0.1: ")
        assert lines["broker"].endswith("; start it, or correct SUPERCYCLE_BROKER_URL")
        assert lines["database"].startswith("problem  database: postgresql+psycopg://me:***@127.0.0.1:9/x: ")
        assert lines["torch"].endswith('; pip install "supercycle[worker]"')
        assert lines["data"].startswith("ok       data folder: ")
        assert "secret" not in found.stdout

    def test_a_warning_is_no_failure(self, run):
        found = run(sweep_seconds="40")
        assert found.exit_code == 0
        assert "warning  settings: lost jobs are looked for every 40 s only" in found.stdout

    def test_asks_a_service_for_its_parts(self, run, service, canned):
        parts = {"database": {"ok": True, "detail": "answers"}, "worker": {"ok": False, "detail": "start one"}}
        service.answers["GET /readyz"] = canned({"ready": False, "version": "9.9", "parts": parts}, 503)
        found = run(url=service.url)
        assert found.exit_code == 1
        ours = doctor.installed_version()
        assert found.stdout.splitlines()[-3:] == [
            f"warning  service: {service.url} answers, version 9.9, {ours} here; install one version for the service "
            "and its workers",
            "ok       service database: answers",
            "problem  service worker: start one",
        ]
        assert run(url="http://127.0.0.1:9").stdout.splitlines()[-1].startswith("problem  service: no answer")


class TestFolders:
    def test_one_that_cannot_be_written(self):
        finding = doctor.check_folder("storage", Path("/proc/none"))
        assert (finding.level, finding.advice) == (Level.PROBLEM, "make the folder writable")

    @pytest.mark.parametrize(("free", "level"), [((2 << 30) - 1, "problem"), (2 << 30, "ok")])
    def test_the_floor_of_free_space(self, tmp_path, monkeypatch, free, level):
        usage = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
        assert doctor.check_folder("data folder", tmp_path).level == level

    @pytest.mark.parametrize(
        ("file", "kind", "level"),
        [
            ("/srv/data/supercycle.db", "nfs4", "problem"),
            ("/srv2/supercycle.db", "ext4", "ok"),
            ("/my disk/supercycle.db", "cifs", "problem"),
        ],
    )
    def test_sqlite_on_a_network_file_system(self, file, kind, level):
        mounts = "disk / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\n//nas/y /my\\040disk cifs rw 0 0\n"
        (finding,) = doctor.check_database_file(f"sqlite:///{file}", mounts=mounts)
        assert (finding.detail.split(",")[0], finding.level) == (kind, level)

    def test_a_database_server_lies_where_it_will(self):
        assert doctor.check_database_file("postgresql+psycopg://host/name") == []


class TestDatabase:
    def test_migrated(self, settings):
        levels = {finding.name: finding.level for finding in check_database(settings)}
        assert levels == {"database": "ok"} | ({} if settings.database.startswith("sqlite") else {"clock": "ok"})

    def test_behind(self, run, tmp_path):
        (tmp_path / "supercycle.db").touch()
        settings = Settings(data_dir=tmp_path)
        (finding,) = check_database(settings)
        assert (finding.level, finding.advice) == ("problem", "run: supercycle migrate")
        assert CliRunner().invoke(app, ("migrate",), env={"SUPERCYCLE_DATA_DIR": str(tmp_path)}).exit_code == 0
        assert check_database(settings)[0].level == "ok"

    def test_ahead(self, sqlite_settings, monkeypatch):
        monkeypatch.setattr("app.db.schema.newest_revision", lambda: "0000")
        (finding,) = check_database(sqlite_settings)
        assert (finding.level, finding.advice) == ("problem", "upgrade supercycle here")

    @pytest.mark.parametrize(("apart", "level"), [(1.5, "ok"), (-2.5, "warning"), (2.5, "warning")])
    def test_a_clock_that_is_apart(self, postgresql_settings, monkeypatch, apart, level):
        monkeypatch.setattr(parts_checks.time, "time", lambda now=time.time: now() + apart)
        clock = check_database(postgresql_settings)[1]
        assert clock.level == level
        if level == "warning":
            assert ("behind" if apart > 0 else "ahead of") in clock.detail

    def test_a_user_who_may_not_come_in(self, postgresql_settings):
        nobody = make_url(postgresql_settings.database).set(username="nobody_here")
        settings = Settings(data_dir=postgresql_settings.data_dir, database_url=nobody.render_as_string(False))
        (finding,) = check_database(settings)
        assert (finding.level, finding.advice) == ("problem", "start it, or correct SUPERCYCLE_DATABASE_URL")


class TestBroker:
    @pytest.fixture
    def check(self, tmp_path):
        return lambda url: check_broker(Settings(data_dir=tmp_path, broker_url=url), doctor.check_folder)

    def test_one_that_listens(self, listening, check):
        (finding,) = check(f"amqp://u:p@{listening}//")
        assert (finding.level, finding.detail) == ("ok", "amqp://127.0.0.1 answers")

    def test_a_redis_that_says_nothing(self, listening, check, monkeypatch):
        monkeypatch.setattr(parts_checks, "BROKER_TIMEOUT_SECONDS", 0.2)
        (finding,) = check(f"redis://{listening}/0")
        assert finding.level == "problem"

    @pytest.mark.parametrize(
        ("options", "level", "detail"),
        [
            (["--appendonly", "yes"], "ok", "keeps what it is given"),
            (["--maxmemory-policy", "allkeys-lru"], "warning", "maxmemory-policy is allkeys-lru, appendonly is no, so"),
            (["--rename-command", "CONFIG", ""], "ok", "does not tell its settings"),
        ],
    )
    def test_a_redis_and_what_it_keeps(self, redis_with, check, options, level, detail):
        answers, keeps = check(redis_with(*options))
        assert answers.level == "ok"
        assert (keeps.level, keeps.detail[: len(detail)]) == (level, detail)


class TestStorage:
    def test_an_object_comes_back(self, storage_url, tmp_path):
        (tmp_path / "a store").mkdir()
        finding = check_storage(storage_url, doctor.check_folder)
        assert (finding.level, finding.advice) == ("ok", "")
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # and is gone again

    def test_a_file_in_its_place(self, tmp_path):
        (tmp_path / "storage").touch()
        finding = check_storage((tmp_path / "storage").as_uri(), doctor.check_folder)
        assert finding.level == "problem"

    def test_a_bucket_that_is_not_there(self, s3_url):
        finding = check_storage("s3://no-such-bucket/x", doctor.check_folder)
        assert finding.level == "problem"
        assert "Create the bucket" in finding.detail


class TestDevices:
    def test_a_gpu_that_torch_does_not_see(self, monkeypatch):
        monkeypatch.setattr(doctor, "has_nvidia_device", lambda: True)
        monkeypatch.setattr(doctor, "driver_version", lambda: "535.1")
        finding = doctor.check_torch(Torch(version="2.10"))
        assert finding.level == "warning"
        assert finding.detail == "2.10 on cpu, NVIDIA driver 535.1, though there is an NVIDIA device"


class TestSettings:
    @pytest.mark.parametrize(
        ("lease", "heartbeat", "sweep", "level"),
        [
            (30, 5, 2, "ok"),
            (30, 14.9, 30, "ok"),
            (30, 15, 2, "warning"),  # half the lease
            (30, 30, 2, "problem"),
            (30, 5, 31, "warning"),
        ],
    )
    def test_times_that_make_sense_together(self, tmp_path, lease, heartbeat, sweep, level):
        seconds = {"lease_seconds": lease, "heartbeat_seconds": heartbeat, "sweep_seconds": sweep}
        (finding,) = check_settings(Settings(data_dir=tmp_path, **seconds))
        assert finding.level == level
        assert bool(finding.advice) == (level != "ok")

    def test_sqlite_beside_a_broker_for_several_hosts(self, tmp_path):
        (finding,) = check_settings(Settings(data_dir=tmp_path, broker_url="redis://host/0"))
        assert (finding.level, "one host only" in finding.detail) == ("warning", True)
        both = Settings(data_dir=tmp_path, broker_url="redis://host/0", database_url="postgresql+psycopg://host/x")
        assert check_settings(both)[0].level == "ok"
