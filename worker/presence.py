"""Tells the database every few seconds that this worker is there, busy or idle."""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import delete, insert, update

from app.db.session import DATABASE_DOWN, Database
from app.db.tables import WorkerTable
from app.db.types import database_now

log = structlog.get_logger()


class Presence:
    """A thread of its own: the worker's main thread is deaf while it supervises a training."""

    def __init__(self, *, database: Database, name: str, device: str, every_seconds: float) -> None:
        self._database = database
        self._name = name
        self._device = device
        self._every_seconds = every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="presence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take the worker off the list."""
        self._over.set()
        self._thread.join()
        self._patiently(self._sign_off)

    def _loop(self) -> None:
        while True:
            self._patiently(self._say)
            if self._over.wait(self._every_seconds):
                return

    def _patiently(self, write: Callable[[], None]) -> None:
        try:
            write()
        except DATABASE_DOWN as error:
            log.warning("the database does not take the worker's heartbeat", error=str(error))

    def _sign_off(self) -> None:
        with self._database.transaction() as session:
            session.execute(delete(WorkerTable).where(WorkerTable.name == self._name))

    def _say(self) -> None:
        mine = (
            update(WorkerTable)
            .where(WorkerTable.name == self._name)
            .values(device=self._device, heard_at=database_now())
        )
        row = {"name": self._name, "device": self._device, "started_at": database_now(), "heard_at": database_now()}
        with self._database.transaction() as session:
            if not session.execute(mine).rowcount:  # type: ignore[attr-defined]
                session.execute(insert(WorkerTable).values(**row))
