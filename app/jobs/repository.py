"""Jobs in the database, as the service reads and changes them. Claims and leases are in app.jobs.claims."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Select, Text, and_, cast, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.db.lists import of_owner
from app.db.session import note_moved
from app.db.tables import JobEventTable, JobTable
from app.db.types import now_seconds
from app.domain.lifecycle import ENDED, LIVE, JobState, check_move
from app.domain.specs import PLAN_KINDS
from app.webhooks.outbox import tell_of_job

CANCELLED = {
    "code": "cancelled",
    "title": "The job was cancelled",
    "detail": "Somebody asked for it before the job had ended.",
    "hint": "POST …/retry makes a new job of it.",
    "retryable": False,
}


@dataclass(frozen=True)
class NewEvent:
    """An event that is not in the history yet."""

    type: str
    data: dict[str, Any]
    time: datetime = field(default_factory=lambda: datetime.now(UTC))


class Entry(NamedTuple):
    """What an event says."""

    type: str
    data: dict[str, Any]


class JobRepository:
    """Jobs and their history, within the caller's transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, job: JobTable) -> None:
        """Put a new job into the queue; its history begins with that."""
        self.session.add(job)
        self.session.flush()
        self.append(job, [NewEvent("state", {"state": job.state, "previous": None}, job.created_at)])

    def get(self, id: str, *, only: str | None = None) -> JobTable | None:
        """A job, or None; with `only`, of this owner alone."""
        return self.session.scalars(_one(id, only)).one_or_none()

    def lock(self, id: str, *, only: str | None = None) -> JobTable | None:
        """A job that nobody else changes until the transaction ends; with `only`, of this owner alone."""
        statement = _one(id, only).with_for_update(of=JobTable)
        return self.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()

    def move(self, job: JobTable, to: JobState, *, error: dict[str, Any] | None = None) -> None:
        """Change a locked job's state, write it into the history, and tell webhooks of it."""
        previous = JobState(job.state)
        check_move(previous, to)
        job.state = to
        if to is JobState.CANCELLED:
            error = CANCELLED | {"attempt": job.attempts}
        if to in ENDED:
            job.finished_at = datetime.now(UTC)
            job.error = error
            if to is JobState.SUCCEEDED:
                job.progress = job.progress | {"fraction": 1.0}
        if to not in LIVE:
            self._let_go(job)
        data = {"state": to.value, "previous": previous.value} | ({"error": error} if error else {})
        self.append(job, [NewEvent("state", data)])
        tell_of_job(self.session, job)

    def note_start(self, job: JobTable) -> None:
        """Write into the history that a job has just begun to run; webhooks hear of the first time alone."""
        self.append(job, [NewEvent("state", {"state": JobState.RUNNING, "previous": JobState.QUEUED})])
        if job.started_at is None:
            job.started_at = datetime.now(UTC)
            tell_of_job(self.session, job)

    def _let_go(self, job: JobTable) -> None:
        """Nobody works on it any more; what it ran counts until its lease ended, if that was sooner."""
        if job.claimed_at is not None and job.lease_until is not None:
            until = min(now_seconds(self.session), job.lease_until.timestamp())
            seconds = max(0.0, until - job.claimed_at.timestamp())
            job.ran_seconds += seconds
            job.worked_seconds += seconds
        job.progress = job.progress | {"eta_seconds": None}
        job.lease_until = job.claimed_at = job.phase = None

    def append(self, job: JobTable, events: list[NewEvent]) -> None:
        """Write events into a locked job's history. The row's own counter numbers them without gaps."""
        job.revision += 1
        if not events:
            return
        note_moved(self.session, job.id)
        first = job.last_seq + 1
        job.last_seq += len(events)
        rows = [
            {
                "job_id": job.id,
                "seq": seq,
                "type": event.type,
                "time": event.time,
                "attempt": job.attempts,
                "data": event.data,
            }
            for seq, event in enumerate(events, first)
        ]
        self.session.execute(insert(JobEventTable), rows)

    def events(
        self, job_id: str, *, after: int = 0, limit: int | None = None, types: list[str] | None = None
    ) -> list[JobEventTable]:
        """The history after `after`, oldest first."""
        statement = select(JobEventTable).where(JobEventTable.job_id == job_id, JobEventTable.seq > after)
        if types:
            statement = statement.where(JobEventTable.type.in_(types))
        return list(self.session.scalars(statement.order_by(JobEventTable.seq).limit(limit)))

    def entries(self, job_id: str, *, types: list[str]) -> list[Entry]:
        """All events of these types, oldest first, without what is the same for many: long histories are read often."""
        columns = select(JobEventTable.type, cast(JobEventTable.data, Text))
        wanted = columns.where(JobEventTable.job_id == job_id, JobEventTable.type.in_(types))
        # Three times as fast as the standard library, which is most of reading a hundred thousand steps.
        return [Entry(name, from_json(data)) for name, data in self.session.execute(wanted.order_by(JobEventTable.seq))]

    def heads(self, ids: list[str]) -> dict[str, tuple[int, int, str]]:
        """Revision, newest seq and state of several jobs: what a listener needs to know whether to read on."""
        columns = select(JobTable.id, JobTable.revision, JobTable.last_seq, JobTable.state)
        rows = self.session.execute(columns.where(JobTable.id.in_(ids)))
        return {id: (revision, seq, state) for id, revision, seq, state in rows}

    def delete(self, job: JobTable) -> None:
        """Remove a job with its history; its model stays."""
        self.session.execute(delete(JobTable).where(JobTable.id == job.id))

    def forget_model(self, job_id: str, model_id: str) -> None:
        """Let a job, if it is still there, no longer name a model that is to be deleted."""
        statement = update(JobTable).where(JobTable.id == job_id, JobTable.model_id == model_id)
        self.session.execute(statement.values(model_id=None, revision=JobTable.revision + 1))

    def count_waiting(self, owner: str, *, most: int, beside: str | None = None) -> int:
        """How many jobs of an owner wait, `beside` one; counts no further than `most`.

        A plan is one until it has ended, with all its jobs: it runs as soon as a keeper sees it, whoever is busy.
        """
        goes_on = and_(JobTable.kind.in_(PLAN_KINDS), JobTable.state.not_in(ENDED))
        mine = JobTable.owner == owner, JobTable.parent_id.is_(None), JobTable.id != (beside or "")
        waiting = select(JobTable.id).where(*mine, or_(JobTable.state == JobState.QUEUED, goes_on)).limit(most)
        return self.session.scalar(select(func.count()).select_from(waiting.subquery())) or 0

    def count_by_kind_and_state(self) -> list[tuple[str, str, int]]:
        """How many jobs there are of each kind in each state."""
        statement = select(JobTable.kind, JobTable.state, func.count()).group_by(JobTable.kind, JobTable.state)
        return [(kind, state, count) for kind, state, count in self.session.execute(statement)]

    def oldest_queued(self) -> datetime | None:
        """Since when the job that waits longest has waited."""
        return self.session.scalar(select(func.min(JobTable.created_at)).where(JobTable.state == JobState.QUEUED))

    def needing_dataset(self, dataset_id: str) -> list[tuple[str, str, str]]:
        """Id, state and owner of the jobs on this dataset that have not ended, oldest first."""
        unfinished = JobTable.state.not_in([state.value for state in ENDED])
        statement = select(JobTable.id, JobTable.state, JobTable.owner).order_by(JobTable.id)
        found = self.session.execute(statement.where(JobTable.dataset_id == dataset_id, unfinished))
        return [(id, state, owner) for id, state, owner in found]


def begin_again(job: JobTable, session: Session) -> None:
    """A resumed job has its whole time limit, all its attempts, and nothing to wait for."""
    job.ran_seconds, job.crashes, job.hints = 0.0, 0, 0
    job.not_before = None
    job.hinted_at = datetime.fromtimestamp(now_seconds(session), UTC)


def _one(id: str, only: str | None) -> Select[JobTable]:
    return of_owner(select(JobTable).where(JobTable.id == id), JobTable.owner, only)
