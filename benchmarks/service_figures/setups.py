"""The two ways a service is set up: SQLite and the embedded broker, or PostgreSQL and Redis, each for itself alone."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import psycopg
import redis
from sqlalchemy import URL, make_url

from app.config import Settings
from app.queue import QUEUE


class NotThere(Exception):
    """A server that a setup needs cannot be used."""


@dataclass(frozen=True)
class Setup:
    """Where the jobs and the hints are."""

    name: str
    versions: str
    first_step_within_seconds: float  #: the target, at p95
    urls: dict[str, str] = field(default_factory=dict)

    def settings(self, data_dir: Path) -> Settings:
        """As the parts of the service read them."""
        return Settings(data_dir=data_dir, **self.urls)  # type: ignore[arg-type]

    def environment(self, data_dir: Path) -> dict[str, str]:
        """What tells the parts of the service."""
        urls = {f"SUPERCYCLE_{name.upper()}": url for name, url in self.urls.items()}
        return {"SUPERCYCLE_DATA_DIR": str(data_dir)} | urls


@contextmanager
def embedded() -> Iterator[Setup]:
    """The default: nothing to install."""
    yield Setup("embedded", f"SQLite {sqlite3.sqlite_version}, the broker of files", first_step_within_seconds=0.3)


@contextmanager
def servers(postgresql_url: str, redis_url: str) -> Iterator[Setup]:
    """A scratch database and a Redis database of its own. Raises NotThere."""
    with _scratch_database(make_url(postgresql_url)) as database, _empty_redis(redis_url) as redis_version:
        urls = {"database_url": database.url, "broker_url": redis_url}
        versions = f"PostgreSQL {database.version}, Redis {redis_version}"
        yield Setup("servers", versions, first_step_within_seconds=0.15, urls=urls)


@dataclass(frozen=True)
class _Scratch:
    url: str
    version: str


@contextmanager
def _scratch_database(server: URL) -> Iterator[_Scratch]:
    name = f"supercycle_benchmark_{uuid.uuid4().hex[:12]}"
    dsn = server.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    try:
        admin = psycopg.connect(dsn, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError as error:
        raise NotThere(f"PostgreSQL is not reachable, see --postgresql ({str(error).splitlines()[0]})") from error
    with admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            number = admin.info.parameter_status("server_version") or "of unknown version"
            yield _Scratch(server.set(database=name).render_as_string(hide_password=False), number.split()[0])
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _empty_redis(url: str) -> Iterator[str]:
    """One that is not empty belongs to somebody."""
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        try:
            keys = cast("int", client.dbsize())
        except redis.RedisError as error:
            raise NotThere(f"Redis is not reachable, see --redis ({error})") from error
        if keys:
            raise NotThere(f"{url} holds {keys} keys that are not ours; name an empty database with --redis")
        try:
            yield cast("dict[str, str]", client.info("server"))["redis_version"]
        finally:
            client.flushdb()


def outstanding_hints(settings: Settings) -> int:
    """How many messages lie in the broker, unread."""
    if settings.broker_url:
        with redis.Redis.from_url(settings.broker_url) as client:
            return cast("int", client.llen(QUEUE))
    return sum(1 for _ in (settings.folder("broker") / "queue").glob("*.msg"))
