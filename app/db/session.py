"""The engine and the two ways to use it: `transaction()`, the only commit, and `reading()`."""

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
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
        self._reader = self.engine.execution_options(reading=True)
        # A statement sees what is committed by then, in a transaction or not: two round trips less to a server.
        options = {} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        self._row_reader = self._reader.execution_options(**options)
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
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading_rows(self) -> Iterator[Connection]:
        """Read rows rather than objects, for what is asked often: a third of the time.

        On a server each statement stands alone, and must not write.
        """
        with self._row_reader.connect() as connection:
            yield connection

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
    engine = create_engine(url, pool_size=10, pool_timeout=5, connect_args=patience)
    event.listen(engine, "connect", _set_up_server)
    event.listen(engine, "checkout", _refuse_closed)
    return engine


def _set_up_server(connection: Any, record: Any) -> None:  # noqa: ANN401, ARG001
    """Nothing may wait for ever: not for a slow statement, nor for a row that a frozen client holds."""
    limits = {"statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "30s"}
    with connection.cursor() as cursor:
        for name, value in limits.items():
            cursor.execute(f"SET {name} = '{value}'")
    connection.commit()


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:  # noqa: ANN401, ARG001
    """Have the pool connect anew where the server has hung up meanwhile.

    An idle connection has nothing to say, so whatever there is to read is its end. A ping would know no more, and
    costs a round trip for every request; a host that vanished is noticed by the keepalives.
    """
    if not connection.closed:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if not poll.poll(0):
            return
    raise InvalidatePoolError("the server has closed the connection")


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
    if connection.get_execution_options().get("reading"):
        driver = connection.connection.driver_connection
        assert driver is not None  # noqa: S101 - it is open
        driver.execute("BEGIN").close()  # which cannot fail: it takes no lock
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
