"""What the pages on operating say to type, typed: a backup brings everything back, and the version can be changed."""

import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from supercycle import Client
from supercycle.errors import ConnectionFailed

ROOT = Path(__file__).parents[2]
HOWTO = ROOT / "docs" / "howto"
SCHEDULE = {"policy": "one_cycle", "max_lr": 0.05}
SPEC = {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 1, "schedule": SCHEDULE}

pytestmark = pytest.mark.verify


def block(page: str, name: str) -> str:
    """The shell block that stands below its name."""
    found = re.search(rf"<!-- {name} -->\n *```sh\n(.*?)```", (HOWTO / page).read_text("utf-8"), re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
def typed(tmp_path: Path) -> Callable[..., str]:
    """Run a block as a reader would, in one folder."""

    def run(script: str, **environment: str) -> str:
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | environment,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@dataclass
class Host:
    """A folder in which a service is started and stopped."""

    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)

    def start(self, **environment: str) -> Client:
        command = [sys.executable, "-m", "supercycle", "serve", "--port", str(self.port)]
        known = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        self.processes.append(subprocess.Popen(command, cwd=self.folder, env=known, stdout=subprocess.DEVNULL))
        client = Client(f"http://127.0.0.1:{self.port}")
        self.clients.append(client)
        deadline = time.monotonic() + 90
        while not is_ready(client):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return client

    def stop(self) -> None:
        while self.clients:
            self.clients.pop().close()
        while self.processes:
            self.processes[-1].terminate()
            self.processes.pop().wait(timeout=30)


@pytest.fixture
def host(tmp_path: Path, free_port: int) -> Iterator[Host]:
    host = Host(tmp_path, free_port)
    yield host
    host.stop()


def is_ready(client: Client) -> bool:
    try:
        return client.ready()
    except ConnectionFailed:
        return False


def train(client: Client) -> str:
    """The digest of the weights of a new model."""
    job = client.submit(SPEC)
    job.wait()
    (model,) = client.models()
    return digest_of(client, model["id"])


def digest_of(client: Client, model_id: str) -> str:
    files = client.model(model_id)["files"]
    return next(file["sha256"] for file in files if file["name"] == "weights.safetensors")


def assert_is_back(client: Client, digest: str, folder: Path) -> None:
    (model,) = client.models()
    assert digest_of(client, model["id"]) == digest
    client.download_model(model["id"], folder)  # checks the digests itself
    (job,) = client.jobs()
    assert job.state == "succeeded"


def needs(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class TestBackUp:
    def test_sqlite_and_a_folder(self, typed, host, tmp_path):
        needs("sqlite3", "rsync")
        digest = train(host.start())
        for _ in range(2):  # and the next day again, while it runs
            assert typed(block("back-up.md", "sqlite: backup")).endswith("ok\n")
        host.stop()
        shutil.rmtree(tmp_path / "supercycle-data")
        typed(block("back-up.md", "sqlite: restore"))
        assert_is_back(host.start(), digest, tmp_path / "model")

    def test_postgresql_and_s3(self, typed, host, tmp_path, new_database, s3_server):
        needs("pg_dump", "pg_restore", "aws")
        bucket, database = s3_server.make_bucket(), new_database()
        settings = s3_server.environment | {"SUPERCYCLE_STORAGE_URL": f"s3://{bucket}"}
        names = {"BUCKET": bucket, "DATABASE": dsn(database)}
        typed(block("upgrade.md", "migrate"), SUPERCYCLE_DATABASE_URL=database)
        digest = train(host.start(**settings, SUPERCYCLE_DATABASE_URL=database))
        for name in ("postgresql: backup", "s3: backup"):
            typed(block("back-up.md", name), **settings, **names)
        host.stop()
        bucket, database = s3_server.make_bucket(), new_database()
        names = {"BUCKET": bucket, "DATABASE": dsn(database)}
        for name in ("s3: restore", "postgresql: restore"):
            typed(block("back-up.md", name), **settings, **names)
        settings |= {"SUPERCYCLE_STORAGE_URL": f"s3://{bucket}", "SUPERCYCLE_DATABASE_URL": database}
        assert "at revision" in typed(block("upgrade.md", "doctor"), **settings)
        assert_is_back(host.start(**settings), digest, tmp_path / "model")


@pytest.fixture
def new_database(postgresql_url: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases beside the tests' own; the URL of each."""
    made: list[str] = []
    with psycopg.connect(dsn(postgresql_url), autocommit=True) as admin:

        def make() -> str:
            made.append(f"supercycle_test_{uuid.uuid4().hex[:12]}")
            admin.execute(f'CREATE DATABASE "{made[-1]}"')
            return make_url(postgresql_url).set(database=made[-1]).render_as_string(hide_password=False)

        yield make
        for name in made:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
