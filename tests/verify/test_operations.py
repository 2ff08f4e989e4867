"""What the pages on operating say to type, typed: a backup brings everything back, and the version can be changed."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from supercycle import Client
from tests.pages import step

SCHEDULE = {"policy": "one_cycle", "max_lr": 0.05}
SPEC = {"kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 1, "schedule": SCHEDULE}

block = partial(step, __file__)

pytestmark = pytest.mark.verify


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
            assert typed(block("sqlite: backup")).endswith("ok\n")
        host.stop()
        shutil.rmtree(tmp_path / "supercycle-data")
        typed(block("sqlite: restore"))
        assert_is_back(host.start(), digest, tmp_path / "model")

    def test_postgresql_and_s3(self, typed, host, tmp_path, new_database, s3_server):
        needs("pg_dump", "pg_restore", "aws")
        bucket, database = s3_server.make_bucket(), new_database()
        settings = s3_server.environment | {"SUPERCYCLE_STORAGE_URL": f"s3://{bucket}"}
        names = {"BUCKET": bucket, "DATABASE": dsn(database)}
        typed(block("migrate"), SUPERCYCLE_DATABASE_URL=database)
        digest = train(host.start(**settings, SUPERCYCLE_DATABASE_URL=database))
        for name in ("postgresql: backup", "s3: backup"):
            typed(block(name), **settings, **names)
        host.stop()
        bucket, database = s3_server.make_bucket(), new_database()
        names = {"BUCKET": bucket, "DATABASE": dsn(database)}
        for name in ("s3: restore", "postgresql: restore"):
            typed(block(name), **settings, **names)
        settings |= {"SUPERCYCLE_STORAGE_URL": f"s3://{bucket}", "SUPERCYCLE_DATABASE_URL": database}
        assert "at revision" in typed(block("doctor"), **settings)
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
