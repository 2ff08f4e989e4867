"""Looks after uploaded data sets: measures those that an earlier version stored, deletes those that nobody uses."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import update

from app.artifacts.store import ArtifactStore
from app.callers import administrator
from app.config import Settings
from app.datasets import service
from app.datasets.repository import DatasetRepository
from app.db.session import Database
from app.db.tables import DatasetTable
from app.errors import Conflict, NotFound

log = structlog.get_logger()

EVERY_SECONDS = 600.0


class StoredSets:
    """Looks now and then."""

    def __init__(self, database: Database, store: ArtifactStore, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._days = settings.unused_dataset_days
        self._due = 0.0

    def look_after(self) -> None:
        """One round, if it is time for one."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        self._measure()
        if self._days is not None:
            self._delete_unused(before=datetime.now(UTC) - timedelta(days=self._days))

    def _measure(self) -> None:
        with self._database.reading() as session:
            unmeasured = DatasetRepository(session).unmeasured()
        for row in unmeasured:
            size = sum(path.stat().st_size for path in Path(row.path).rglob("*") if path.is_file())
            with self._database.transaction() as session:
                session.execute(update(DatasetTable).where(DatasetTable.id == row.id).values(size=size))

    def _delete_unused(self, *, before: datetime) -> None:
        with self._database.reading() as session:
            unused = DatasetRepository(session).unused_since(before)
        for row in unused:
            try:
                service.delete(self._database, self._store, row.id, administrator())
            except (Conflict, NotFound):  # somebody began to use it, or deleted it, at this very moment
                continue
            log.info("unused data set deleted", dataset_id=row.id, owner=row.owner, name=row.name)
