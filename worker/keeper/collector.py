"""Removes what nobody will use again: folders of ended jobs, cached pixels, objects that no row names, old answers."""

import math
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.db.session import Database
from app.db.tables import DatasetTable, JobTable
from app.domain.lifecycle import JobState
from app.idempotency.repository import forget_old
from worker.datasets.built_in import DOWNLOAD
from worker.keeper.asides import is_abandoned
from worker.keeper.cached_pixels import CachedPixels
from worker.keeper.garbage import Garbage

log = structlog.get_logger()

EVERY_SECONDS = 600.0
KEPT_SECONDS = 3600.0  #: a worker that is just ending a job still uses its folder


class Collector:
    """Looks through this machine's data folder now and then, and on the keeper's through the storage."""

    def __init__(self, database: Database, settings: Settings, *, store: ArtifactStore | None = None) -> None:
        self._database = database
        self._settings = settings
        # An object gets its row when the next commit succeeds, which a database that is away can put off.
        longest_put_off = max(timedelta(seconds=KEPT_SECONDS), 20 * settings.lease)
        self._garbage = Garbage(database, store, younger_stays=longest_put_off) if store else None
        self._pixels = CachedPixels(database, unused=timedelta(days=settings.unused_cache_days))
        self._due = 0.0

    def collect(self) -> None:
        """One round, if it is time for one; the storage a page at a time in between."""
        if self._garbage:
            self._garbage.sweep_page()
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        for kind in ("checkpoints", "attempts"):
            self._remove_old(kind, is_wanted=self._is_unfinished)
        self._remove_old("uploads", is_wanted=self._awaits_check)
        for kind in ("datasets/uploaded", "datasets/imported"):
            self._remove_old(kind, is_wanted=self._is_stored)
        self._remove_old("datasets", is_wanted=_is_no_broken_download)
        self._remove_old("cache", is_wanted=self._pixels.is_wanted)
        with self._database.transaction() as session:
            forget_old(session)
        if self._garbage:
            self._garbage.begin()

    def _remove_old(self, kind: str, *, is_wanted: Callable[[Path], bool]) -> None:
        for path in self._settings.folder(kind).iterdir():
            if _age_seconds(path) < KEPT_SECONDS or is_wanted(path):
                continue
            log.info("leftover removed", kind=kind, name=path.name)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _is_unfinished(self, path: Path) -> bool:
        with self._database.reading() as session:
            job = session.get(JobTable, path.name)
            return job is not None and not JobState(job.state).ended

    def _awaits_check(self, path: Path) -> bool:
        with self._database.reading() as session:
            row = session.get(DatasetTable, path.name)
            return row is not None and row.upload is not None

    def _is_stored(self, path: Path) -> bool:
        """Images of a set, or what its check unpacks. Those of another database, which somebody may want back, stay."""
        if path.name.startswith(".ds_"):
            return not is_abandoned(path)
        if path.name.startswith(".import-"):  # where an attempt at an import works
            return self._is_unfinished(Path(path.name.removeprefix(".import-").partition("-")[0]))
        with self._database.reading() as session:
            row = session.get(DatasetTable, path.name)
            return _is_older_than_all(session, path) if row is None else row.state in ("validating", "ready")


def _is_no_broken_download(path: Path) -> bool:
    """One under way writes all the time; its folder's own time is that of its beginning."""
    if not path.name.startswith(DOWNLOAD):
        return True
    inside = (Path(place, name) for place, folders, files in os.walk(path) for name in [*folders, *files])
    return min(map(_age_seconds, inside), default=KEPT_SECONDS) < KEPT_SECONDS


def _is_older_than_all(session: Session, path: Path) -> bool:
    columns = JobTable.created_at, DatasetTable.created_at
    oldest = [session.scalar(select(func.min(column))) for column in columns]
    first = min((moment.timestamp() for moment in oldest if moment is not None), default=math.inf)
    return time.time() - _age_seconds(path) < first


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # another worker of this machine was faster
        return 0.0
