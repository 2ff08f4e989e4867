"""Which queued jobs their workers should be told of again: hints get lost, rows do not."""

from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from app.db.tables import JobTable, WorkerTable
from app.db.types import database_now, now_seconds
from app.domain.lifecycle import LIVE, JobState
from app.domain.specs import KEEPERS_KINDS

LONGEST_PAUSE = timedelta(minutes=1)
_FOR_WORKERS = JobTable.kind.not_in(KEEPERS_KINDS)  # the keeper looks for its own by itself


def due_hints(session: Session, *, base: timedelta, recent: timedelta) -> list[str]:
    """Ids of queued jobs to hint at now. Each pause is twice the one before.

    Never more than there are idle workers: one hint wakes a worker, and an awake worker empties the queue by itself,
    while hints that nobody reads would pile up behind a long training.
    """
    waiting = (
        select(JobTable.id, JobTable.hints, JobTable.hinted_at)
        .where(JobTable.state == JobState.QUEUED, _FOR_WORKERS)
        .where(or_(JobTable.not_before.is_(None), JobTable.not_before <= database_now()))
        .order_by(JobTable.priority.desc(), JobTable.id)
        .limit(_idle_workers(session, recent=recent))
    )
    now = now_seconds(session)
    return [id for id, hints, hinted_at in session.execute(waiting) if _is_due(now, hints, hinted_at, base=base)]


def note_hints(session: Session, ids: list[str]) -> None:
    """Remember that these were sent."""
    noted = update(JobTable).where(JobTable.id.in_(ids), JobTable.state == JobState.QUEUED)
    session.execute(noted.values(hints=JobTable.hints + 1, hinted_at=database_now()))


def _idle_workers(session: Session, *, recent: timedelta) -> int:
    heard = WorkerTable.heard_at > database_now() - recent.total_seconds()
    workers = session.scalar(select(func.count()).select_from(WorkerTable).where(heard)) or 0
    running = select(func.count()).select_from(JobTable).where(JobTable.state.in_(LIVE), _FOR_WORKERS)
    busy = session.scalar(running) or 0
    return max(0, workers - busy)


def _is_due(now: float, hints: int, hinted_at: datetime | None, *, base: timedelta) -> bool:
    if hinted_at is None:
        return True
    pause = min(base * 2.0 ** min(hints, 10), LONGEST_PAUSE)
    return bool(now - hinted_at.timestamp() >= pause.total_seconds())
