"""What all tests share: a database that is SQLite and PostgreSQL in turn, an app in process, a queue that remembers."""

import errno
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import hypothesis
import psycopg
import pytest
import redis
import structlog
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import make_url

from app.config import Settings
from app.db.migrate import upgrade
from app.db.schema import current_revision, newest_revision
from app.db.session import Database
from app.db.tables import Base
from app.main import create_app
from app.queue import Queue

POSTGRESQL = os.environ.get("SUPERCYCLE_TEST_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1/")
REDIS = os.environ.get("SUPERCYCLE_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is loaded, here and in what tests start. The processes share the cores: with a thread for each core
    # in each of them, threads wait for others that wait for a core, and small trainings take three times the work.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
TEST_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """Let no collection look through torch and thousands of tests, which stay: each would take half a second."""
    gc.collect()
    gc.freeze()


class RecordingQueue:
    """A queue that keeps its hints; `down` makes it refuse them, as a broker that is away does."""

    def __init__(self) -> None:
        self.hints: list[str] = []
        self.down = False

    def hint(self, job_id: str) -> bool:
        if not self.down:
            self.hints.append(job_id)
        return not self.down

    def ping(self) -> None:
        if self.down:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


@pytest.fixture(scope="session", autouse=True)
def _hear_ctrl_c() -> None:
    """A background job of a shell is started deaf to SIGINT, and so would be every process that a test starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> None:
    """No setting of the developer's own reaches a test."""
    for name in [name for name in os.environ if name.startswith(("SUPERCYCLE_", "AWS_"))]:
        if not name.startswith("SUPERCYCLE_TEST_"):
            del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """As the service logs them: by default they show all local variables, and one takes seconds to draw."""
    *before, _ = structlog.get_config()["processors"]
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, renderer])


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A scratch database of its own on a real server."""
    server = make_url(POSTGRESQL)
    name = f"supercycle_test_{uuid.uuid4().hex[:12]}"
    dsn = server.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    try:
        admin = psycopg.connect(dsn, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        pytest.skip(f"PostgreSQL is not reachable; set SUPERCYCLE_TEST_DATABASE_URL ({str(error).splitlines()[0]})")
    with admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')  # nobody cuts its power
        yield server.set(database=name).render_as_string(hide_password=False)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def empty_postgresql(postgresql_url: str) -> Iterator[Callable[[], str]]:
    """Migrates that database and empties its tables, which other tests may have filled; returns its URL."""
    database = Database(postgresql_url)
    delete_all = "; ".join(str(table.delete()) for table in reversed(Base.metadata.sorted_tables))

    def make() -> str:
        if current_revision(database) != newest_revision():  # before the first test, and behind one that went back
            upgrade(Settings(database_url=postgresql_url))
        with database.engine.begin() as connection:
            connection.exec_driver_sql(delete_all)
        return postgresql_url

    yield make
    database.dispose()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis, with a database of its own that is emptied afterwards: the named one, or one of those below it."""
    server, _, database = REDIS.rpartition("/")
    url = f"{server}/{int(database) - TEST_PROCESS}"
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        client.ping()
    except redis.RedisError as error:
        client.close()
        pytest.skip(f"Redis is not reachable; set SUPERCYCLE_TEST_REDIS_URL ({error})")
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


@pytest.fixture
def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class S3Server:
    """An S3 of the tests' own on loopback."""

    address: str
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What a process must know to use it."""
        key = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
        return key | {"AWS_ENDPOINT_URL": self.address}

    def make_bucket(self) -> str:
        """The name of a new one."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        httpx.put(f"{self.address}/{name}").raise_for_status()
        return name


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """In a process of its own, so that it can be stopped, frozen and killed like a real one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path_factory.mktemp("s3") / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    server = S3Server(f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"{server.address}/moto-api/")
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield server
    process.kill()
    process.wait()


@pytest.fixture
def s3_url(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a new bucket, and the environment that leads there."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.make_bucket()}/a place"


@pytest.fixture(params=["local", "s3"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder and S3 in turn."""
    return request.getfixturevalue("s3_url") if request.param == "s3" else (tmp_path / "a store").as_uri()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, _clean_environment: None) -> Path:
    """A SQLite database that was migrated once, to be copied: a fiftieth of the time a migration takes."""
    folder = tmp_path_factory.mktemp("migrated")
    upgrade(Settings(data_dir=folder))
    return folder / "supercycle.db"


@pytest.fixture
def sqlite_settings(tmp_path: Path, migrated_file: Path) -> Settings:
    """The embedded default in a folder of its own, its schema up to date."""
    settings = Settings(data_dir=tmp_path / "data", lease_seconds=2, heartbeat_seconds=0.4, sweep_seconds=0.2)
    settings.data_dir.mkdir()
    shutil.copy(migrated_file, settings.data_dir)
    return settings


@pytest.fixture
def postgresql_settings(tmp_path: Path, empty_postgresql: Callable[[], str]) -> Settings:
    """The same on PostgreSQL, its tables empty."""
    seconds = {"lease_seconds": 2, "heartbeat_seconds": 0.4, "sweep_seconds": 0.2}
    return Settings(data_dir=tmp_path / "data", database_url=empty_postgresql(), **seconds)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Both databases in turn."""
    return request.getfixturevalue(f"{request.param}_settings")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """An open database, migrated and empty."""
    database = Database(settings.database)
    yield database
    database.dispose()


@pytest.fixture
def queue() -> RecordingQueue:
    """Where the app under test sends its hints."""
    return RecordingQueue()


class InProcess:
    """Apps in process, each with parts of its own.

    An app that nobody uses any more lends its routes to the next: to work them out takes longer than most tests.
    """

    def __init__(self) -> None:
        self._idle: list[FastAPI] = []

    @contextmanager
    def __call__(self, settings: Settings, queue: Queue, *, base_url: str = "http://127.0.0.1") -> Iterator[TestClient]:
        """A client of the app under these settings."""
        assert settings.max_body_bytes == Settings().max_body_bytes  # the routes know it
        fresh = create_app(settings, queue=queue)
        app = self._idle.pop() if self._idle else fresh
        app.state.parts, app.middleware_stack = fresh.state.parts, None
        with TestClient(app, base_url=base_url) as client:
            yield client
        self._idle.append(app)


@pytest.fixture(scope="session")
def in_process() -> InProcess:
    """Opens the app in process."""
    return InProcess()


@pytest.fixture
def client(sqlite_settings: Settings, queue: RecordingQueue, in_process: InProcess) -> Iterator[TestClient]:
    """The app in process, on SQLite."""
    with in_process(sqlite_settings, queue) as client:
        yield client
