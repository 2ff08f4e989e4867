"""Finds objects in the storage that no row names: of workers that were killed, or lost their lease in the middle."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore, StoredObject
from app.db.session import Database
from app.db.tables import ArtifactTable, DatasetTable, JobTable, ModelFileTable
from app.domain.lifecycle import ENDED
from app.ids import is_id
from worker.checkpoints import named_copies

log = structlog.get_logger()


class Garbage:
    """Goes through the storage a page at a time, so that no other duty of the keeper has to wait for it."""

    def __init__(self, database: Database, store: ArtifactStore, *, younger_stays: timedelta) -> None:
        self._database = database
        self._store = store
        self._younger_stays = younger_stays
        self._pages: Iterator[tuple[str, list[StoredObject]]] = iter(())

    def begin(self) -> None:
        """Start over, with what killed puts left first."""
        for name in self._store.delete_unfinished(older_than=self._younger_stays):
            log.info("unfinished object removed", name=name)
        self._pages = ((kind, page) for kind in _NAMED for page in self._store.pages(f"{kind}/"))

    def sweep_page(self) -> None:
        """Delete what nobody names on the next page, if there is one."""
        kind, page = next(self._pages, ("", []))
        oldest = datetime.now(UTC) - self._younger_stays
        old = [found for found in page if found.stored_at < oldest and is_id(_owner(found.key), _PREFIXES[kind])]
        garbage = self._unnamed(kind, old) if old else []
        if garbage:
            self._store.delete(garbage)
            log.info("objects removed that no row names", kind=kind, count=len(garbage), first=garbage[0])

    def _unnamed(self, kind: str, old: list[StoredObject]) -> list[str]:
        with self._database.reading() as session:
            first_job = session.scalar(select(func.min(JobTable.created_at)))
            named = set(_NAMED[kind](session, {_owner(found.key) for found in old}))
        # What is older than every job was named by another database, to which somebody may want to go back.
        return [found.key for found in old if first_job and found.stored_at > first_job and found.key not in named]


def _owner(key: str) -> str:
    return key.split("/")[1]


def _of_artifacts(session: Session, job_ids: set[str]) -> Iterable[str]:
    return session.scalars(select(ArtifactTable.key).where(ArtifactTable.job_id.in_(job_ids)))


def _of_models(session: Session, model_ids: set[str]) -> Iterable[str]:
    return session.scalars(select(ModelFileTable.key).where(ModelFileTable.model_id.in_(model_ids)))


def _of_checkpoints(session: Session, job_ids: set[str]) -> Iterable[str]:
    unfinished = JobTable.id.in_(job_ids), JobTable.state.not_in([state.value for state in ENDED])
    rows = session.scalars(select(JobTable.checkpoint).where(*unfinished))
    return [copy["key"] for row in rows for copy in named_copies(row)]


def _of_datasets(session: Session, dataset_ids: set[str]) -> Iterable[str]:
    rows = session.scalars(select(DatasetTable.preview).where(DatasetTable.id.in_(dataset_ids)))
    return [preview["key"] for preview in rows if preview]


_PREFIXES = {"jobs": "job", "models": "mdl", "checkpoints": "job", "datasets": "ds"}  #: of the ids

#: The keys that rows name, by the beginning of the key and the ids of those it belongs to.
_NAMED: dict[str, Callable[[Session, set[str]], Iterable[str]]] = {
    "jobs": _of_artifacts,
    "models": _of_models,
    "checkpoints": _of_checkpoints,
    "datasets": _of_datasets,
}
