"""The engine and the two ways to use it: `transaction()`, the only commit, and `reading()`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

BUSY_TIMEOUT_SECONDS = 5
# What a database that is away, locked, or read-only after a failover raises; anything else is a fault of the program.
DATABASE_DOWN = (OperationalError, InterfaceError, InternalError, PoolTimeout)


_MOVED = "moved jobs"


def note_moved(session: Session, job_id: str) -> None:
    """Remember that this transaction adds to the job's history."""
    session.info.setdefault(_MOVED, set()).add(job_id)


class Database:
    """One database, as one process sees it. Build it after any fork.

    `announce` is called after a commit with the jobs it moved, outside of any lock; it must neither wait nor raise.
    """

    def __init__(self, url: str, *, announce: Callable[[frozenset[str]], None] | None = None) -> None:
        self._announce = announce
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite(url) if self.is_sqlite else _server(url)
        # Concurrent SQLite writers starve each other; inside one process they queue here instead.
        self._writing = threading.RLock() if self.is_sqlite else nullcontext()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write: commits at the end of the block, rolls back if it raises. Keep other I/O out of it."""
        with self._writing, Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
        moved = session.info.get(_MOVED)
        if moved and self._announce is not None:
            self._announce(frozenset(moved))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Read: takes no write lock, commits nothing."""
        engine = self.engine.execution_options(reading=True)
        with Session(engine, expire_on_commit=False) as session:
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _server(url: str) -> Engine:
    patience = {
        "connect_timeout": 3,
        "tcp_user_timeout": 5_000,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
    }
    engine = create_engine(url, pool_pre_ping=True, pool_size=10, pool_timeout=5, connect_args=patience)
    event.listen(engine, "connect", _set_up_server)
    return engine


def _set_up_server(connection: Any, record: Any) -> None:  # noqa: ANN401, ARG001
    """Nothing may wait for ever: not for a slow statement, nor for a row that a frozen client holds."""
    limits = {"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}
    with connection.cursor() as cursor:
        for name, value in limits.items():
            cursor.execute(f"SET {name} = '{value}'")
    connection.commit()


def _sqlite(url: str) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, record: Any) -> None:  # noqa: ANN401, ARG001
    connection.isolation_level = None  # the driver must not begin by itself: _begin_sqlite does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A deferred BEGIN that later writes fails with 'database is locked' in spite of the busy timeout.
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
