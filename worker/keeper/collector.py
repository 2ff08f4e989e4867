"""Removes what nobody will use again: folders of jobs that have ended, left by workers that were killed."""

import shutil
import time
from collections.abc import Callable

import structlog

from app.config import Settings
from app.db.session import Database
from app.db.tables import DatasetTable, JobTable
from app.domain.lifecycle import JobState

log = structlog.get_logger()

EVERY_SECONDS = 600.0
KEPT_SECONDS = 3600.0  #: a worker that is just ending a job still uses its folder


class Collector:
    """Looks through this machine's data folder now and then."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._due = 0.0

    def collect(self) -> None:
        """One round, if it is time for one."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY_SECONDS
        for kind in ("checkpoints", "attempts"):
            self._remove_old(kind, is_wanted=self._is_unfinished)
        self._remove_old("uploads", is_wanted=self._is_dataset)

    def _remove_old(self, kind: str, *, is_wanted: Callable[[str], bool]) -> None:
        for path in self._settings.folder(kind).iterdir():
            if time.time() - path.stat().st_mtime < KEPT_SECONDS or is_wanted(path.name):
                continue
            log.info("leftover removed", kind=kind, name=path.name)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _is_unfinished(self, job_id: str) -> bool:
        with self._database.reading() as session:
            job = session.get(JobTable, job_id)
            return job is not None and not JobState(job.state).ended

    def _is_dataset(self, name: str) -> bool:
        with self._database.reading() as session:
            return session.get(DatasetTable, name.split(".", maxsplit=1)[0]) is not None
