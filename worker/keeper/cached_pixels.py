"""Says which entries of this machine's pixel cache somebody may still open."""

import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from app.db.session import Database
from app.db.tables import DatasetTable, JobTable
from app.domain.lifecycle import LIVE
from worker.datasets.cache_facts import BUILDING, NotCached, is_abandoned, read_facts

CLOCKS_DIFFER_SECONDS = 3600.0  #: at most, those of the database and of the disk


class CachedPixels:
    """An entry is of one version of a data set; its folder's time is that of its last opening."""

    def __init__(self, database: Database, *, unused: timedelta) -> None:
        self._database = database
        self._unused = unused

    def is_wanted(self, entry: Path) -> bool:
        """Whether its data set is still there, and a job has opened it lately, or has it open."""
        try:
            used = entry.stat().st_mtime
        except FileNotFoundError:  # somebody was faster
            return True
        if entry.name.startswith(BUILDING):
            return not is_abandoned(used)
        if not self._is_named(entry):
            return False
        return time.time() - used < self._unused.total_seconds() or self._may_be_open(used)

    def _is_named(self, entry: Path) -> bool:
        """Whether a row has its version. Those of built-in sets have none, and one that tells nothing is let be."""
        try:
            facts = read_facts(entry)
        except NotCached:
            return True
        if facts.get("built_in", True):
            return True
        with self._database.reading() as session:
            row = select(DatasetTable.id).where(DatasetTable.version == facts["version"])
            return session.scalars(row.limit(1)).first() is not None

    def _may_be_open(self, used: float) -> bool:
        """Whether a job that is being trained had begun by then."""
        with self._database.reading() as session:
            oldest = session.scalar(select(func.min(JobTable.started_at)).where(JobTable.state.in_(LIVE)))
        return oldest is not None and oldest.timestamp() - CLOCKS_DIFFER_SECONDS < used
