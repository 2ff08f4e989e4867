"""Jobs in the database, as a worker holds them: claim, renew, write under the fence, finish.

Liveness is a lease, safety is the fence: every commit here checks that the job is still ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from app.db.tables import JobTable
from app.db.types import database_in, database_now, now_seconds
from app.domain.lifecycle import LIVE, JobState, after_loss
from app.domain.specs import DATASET_IMPORT, KEEPERS_KINDS
from app.jobs.repository import JobRepository, NewEvent

BACKOFF = [timedelta(seconds=seconds) for seconds in (0.5, 5, 30)]  #: after the first, second, … crash
# One statement, which both databases read alike: two workers may meet the first of its kind at once.
_COUNT_FAULT = text(
    "INSERT INTO faults (code, count) VALUES (:code, 1) ON CONFLICT (code) DO UPDATE SET count = faults.count + 1"
)


class LeaseLost(Exception):
    """The job is not ours any more: stop at once and write nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to write about a job, as long as its row still carries this fence."""

    job_id: str
    fence: int


@dataclass(frozen=True)
class Claimant:
    """A worker: its name, `host:index`, and how many devices it has of which kind. Or the keeper, which `imports`."""

    name: str
    kind: str = "cpu"
    devices: int = 1
    imports: bool = False  #: data sets, and nothing else; a worker imports none


class Claims:
    """What a worker may do to jobs, within the caller's transaction."""

    def __init__(self, session: Session, *, lease: timedelta) -> None:
        self.session = session
        self.jobs = JobRepository(session)
        self._lease = lease

    def claim(self, worker: Claimant, *, most_per_owner: int | None = None) -> JobTable | None:
        """Take the best queued job that `worker` can run, or return None.

        One UPDATE, so a message delivered twice trains once. With `most_per_owner`, an owner who has so many jobs
        running already waits.
        """
        waiting = _eligible(worker)
        if most_per_owner is not None:
            self._one_at_a_time()
            waiting = waiting.where(JobTable.owner.not_in(_owners_of(most_per_owner)))
        best = waiting.limit(1).with_for_update(skip_locked=True, of=JobTable).scalar_subquery()
        statement = (
            update(JobTable)
            .where(JobTable.id == best, JobTable.state == JobState.QUEUED)
            .values(
                state=JobState.RUNNING,
                fence=JobTable.fence + 1,
                attempts=JobTable.attempts + 1,
                worker=worker.name,
                claimed_at=database_now(),
                lease_until=database_in(self._lease),
                hints=0,
            )
            .returning(JobTable)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        job = self.session.scalars(statement).one_or_none()
        if job is not None:
            self.jobs.note_start(job)
        return job

    def _one_at_a_time(self) -> None:
        """Two claims at once would each count without the other. SQLite has one writer anyway."""
        if self.session.get_bind().dialect.name == "postgresql":
            self.session.execute(text("SELECT pg_advisory_xact_lock(hashtext('supercycle claim'))"))

    def held(self, lease: Lease) -> JobTable:
        """The job under this lease, locked; raises LeaseLost when it is not ours any more."""
        job = self.jobs.lock(lease.job_id)
        if job is None or job.fence != lease.fence or job.state not in LIVE:
            raise LeaseLost(lease.job_id)
        return job

    def renew(self, lease: Lease) -> JobState:
        """Heartbeat: keep the job for another lease, and learn whether it is to be cancelled or paused."""
        values = {"lease_until": database_in(self._lease)}
        renewed = update(JobTable).where(*_mine(lease)).values(values).returning(JobTable.state)
        return _state(lease, self.session.scalar(renewed.execution_options(synchronize_session=False)))

    def look(self, lease: Lease) -> JobState:
        """The state of a held job, without renewing anything."""
        return _state(lease, self.session.scalar(select(JobTable.state).where(*_mine(lease))))

    def write(self, lease: Lease, events: list[NewEvent], *, change: Callable[[JobTable], None]) -> JobState:
        """Add to the history and to the row under the fence; a heartbeat as well."""
        job = self.held(lease)
        change(job)
        self.jobs.append(job, events)
        self.session.flush()
        return self.renew(lease)

    def finish(
        self, lease: Lease, to: JobState, *, error: dict[str, Any] | None = None, model_id: str | None = None
    ) -> JobTable:
        """End the job. One that was to be cancelled ends as cancelled, whatever it had reached.

        One that was only to be paused ends as it did. Only a job that succeeded gets the model.
        """
        job = self.held(lease)
        if job.state == JobState.CANCELLING:
            to, error = JobState.CANCELLED, None
        if to is JobState.SUCCEEDED:
            job.model_id = model_id
        self.jobs.move(job, to, error=error)
        return job

    def pause(self, lease: Lease, *, reason: str) -> None:
        """Put the job aside of the worker's own accord, for this reason."""
        job = self.held(lease)
        if job.state == JobState.RUNNING:
            self.jobs.append(job, [NewEvent("log", {"level": "warning", "message": reason})])
            self.jobs.move(job, JobState.PAUSING)

    def give_back(self, lease: Lease) -> None:
        """Back into the queue, or aside where it was to be paused, without blame: a later claim goes on from there."""
        job = self.held(lease)
        self.jobs.move(job, after_loss(JobState(job.state)))
        job.worker = None

    def lose(self, lease: Lease, *, error: dict[str, Any]) -> JobState:
        """The attempt broke off: try again after a pause, or fail once it has happened too often."""
        return self._lost(self.held(lease), error)

    def lost_leases(self) -> list[Lease]:
        """Jobs whose lease ran out by the database's clock."""
        columns = select(JobTable.id, JobTable.fence)
        rows = self.session.execute(columns.where(JobTable.state.in_(LIVE), JobTable.lease_until < database_now()))
        return [Lease(id, fence) for id, fence in rows]

    def reclaim(self, lease: Lease, *, error: dict[str, Any]) -> JobState:
        """Take a job from a worker that fell silent, unless it spoke up since."""
        job = self.held(lease)
        if job.lease_until is None or job.lease_until.timestamp() >= now_seconds(self.session):
            raise LeaseLost(lease.job_id)
        self.count_fault("lease_expired")
        return self._lost(job, error)

    def count_fault(self, code: str) -> None:
        """Note that one more of these happened."""
        self.session.execute(_COUNT_FAULT, {"code": code})

    def _lost(self, job: JobTable, error: dict[str, Any]) -> JobState:
        self.count_fault(error["code"])
        job.crashes += 1
        to = after_loss(JobState(job.state))
        if to is JobState.QUEUED and job.crashes >= job.max_attempts:
            to = JobState.FAILED
        if not to.ended:  # before the move: nothing comes after a pause until somebody resumes the job
            self.jobs.append(job, [NewEvent("log", {"level": "warning", "message": error["detail"]})])
            job.worker = None
        self.jobs.move(job, to, error=error if to is JobState.FAILED else None)
        if to is JobState.QUEUED:
            pause = BACKOFF[min(job.crashes, len(BACKOFF)) - 1]
            job.not_before = datetime.fromtimestamp(now_seconds(self.session), UTC) + pause
        return to


def _eligible(worker: Claimant) -> Select[str]:
    """Queued jobs that are due and that this worker has the devices for, the best first."""
    mine = JobTable.kind == DATASET_IMPORT if worker.imports else JobTable.kind.not_in(KEEPERS_KINDS)
    return (
        select(JobTable.id)
        .where(JobTable.state == JobState.QUEUED)
        .where(mine)
        .where(or_(JobTable.not_before.is_(None), JobTable.not_before <= database_now()))
        .where(JobTable.device.in_(["any", worker.kind]), JobTable.devices <= worker.devices)
        .order_by(JobTable.priority.desc(), JobTable.id)
    )


def _owners_of(running: int) -> Select[str]:
    """Who has so many jobs running, or more; counted once for all that wait. The keeper's own keep no worker busy."""
    live = aliased(JobTable)
    busy = live.state.in_(LIVE), live.kind.not_in(KEEPERS_KINDS)
    return select(live.owner).where(*busy).group_by(live.owner).having(func.count() >= running)


def _mine(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return JobTable.id == lease.job_id, JobTable.fence == lease.fence, JobTable.state.in_(LIVE)


def _state(lease: Lease, found: str | None) -> JobState:
    if found is None:
        raise LeaseLost(lease.job_id)
    return JobState(found)
