"""A queue of thousands of jobs: what a claim costs in it, how fast two workers drain it, what lies in the broker."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.db.session import Database
from app.db.tables import JobTable, JobTagTable
from app.db.types import database_now
from app.domain.lifecycle import JobState
from app.ids import new_id
from app.jobs.claims import Claimant, Claims, Lease
from app.jobs.repository import JobRepository
from app.queue import CeleryQueue
from benchmarks.service_figures.serving import SHORT, Service, wait_until
from benchmarks.service_figures.setups import outstanding_hints
from benchmarks.service_figures.showing import say, show

WORKERS = 2
CLAIMS = 100
FEW = 20
AT_ONCE = 250  #: rows in a transaction, so that nobody else waits long
LEASE = timedelta(minutes=10)  #: longer than a hundred claims take, whatever the machine
EMPTYING_SECONDS = 30.0
TAG = "deep queue"


def measure_queue(service: Service, *, waiting: int, drained: int) -> None:
    """Fill it, claim from it, let two real workers have some of it, and cancel the rest."""
    queue = CeleryQueue(service.settings)
    template = service.submit(SHORT | {"tags": [TAG]})
    for total in (FEW, waiting):
        rate = _fill(service.database, queue, template, upto=total)
        _show_claims(service.database, waiting=total)
    say(f"a hint for each of {waiting} jobs", f"{rate:.0f} a second", target="none set")
    with service.workers(WORKERS, warm=False):
        hints = list(_hints_until(service, lambda: len(_ends(service.database)) >= drained))
        _show_drain(_ends(service.database), hints, waiting=waiting)
        _cancel_rest(service.database)
        _show_emptying(service)


def _fill(database: Database, queue: CeleryQueue, template: str, *, upto: int) -> float:
    """Rows and hints as submissions leave them, many rows at a time; returns hints a second."""
    ids = [new_id("job") for _ in range(upto - _count(database, JobTable.state == JobState.QUEUED))]
    for first in range(0, len(ids), AT_ONCE):
        with database.transaction() as session:
            _copy(session, template, ids[first : first + AT_ONCE])
    began = time.monotonic()
    for id in ids:
        queue.hint(id)
    return len(ids) / (time.monotonic() - began)


def _copy(session: Session, template: str, ids: list[str]) -> None:
    source = session.get_one(JobTable, template)
    columns = {column.name: getattr(source, column.name) for column in JobTable.__table__.columns}
    for id in ids:
        facts = columns | {"id": id, "last_seq": 0, "created_at": datetime.now(UTC), "hinted_at": database_now()}
        JobRepository(session).add(JobTable(**facts, tags=[JobTagTable(tag=TAG)]))


def _show_claims(database: Database, *, waiting: int) -> None:
    """While one job of the owner runs: with no limit for each owner, one that leaves room, and one that is used up."""
    with database.transaction() as session:
        running = _claim(session, limit=None)
    assert running is not None
    for name, limit in {"": None, ", owners limited": 2, ", the owner at the limit": 1}.items():
        milliseconds = [_claim_milliseconds(database, limit=limit) for _ in range(CLAIMS)]
        show(f"a claim with {waiting} waiting{name}", milliseconds, unit="ms", target="none set", digits=1)
    _give_back(database, running)


def _claim_milliseconds(database: Database, *, limit: int | None) -> float:
    """With its commit, as a worker makes it; then the job goes back."""
    began = time.monotonic()
    with database.transaction() as session:
        lease = _claim(session, limit=limit)
    took = 1000 * (time.monotonic() - began)
    if lease is not None:
        _give_back(database, lease)
    return took


def _claim(session: Session, *, limit: int | None) -> Lease | None:
    claims = Claims(session, lease=LEASE)
    job = claims.claim(Claimant("benchmark:0"), most_per_owner=limit)
    return Lease(job.id, job.fence) if job else None


def _give_back(database: Database, lease: Lease) -> None:
    with database.transaction() as session:
        Claims(session, lease=LEASE).give_back(lease)


def _hints_until(service: Service, is_over: Callable[[], bool]) -> Iterator[int]:
    while not is_over():
        yield outstanding_hints(service.settings)
        time.sleep(0.25)


def _ends(database: Database) -> list[datetime]:
    """When those jobs ended that have been worked on."""
    ended = select(JobTable).where(JobTable.state.in_([JobState.SUCCEEDED, JobState.FAILED]))
    with database.reading() as session:
        found = list(session.scalars(ended.where(JobTable.tags.any(tag=TAG))))
    failed = next((job for job in found if job.state == JobState.FAILED), None)
    if failed is not None:
        raise RuntimeError(f"job {failed.id} should have succeeded, and failed: {failed.error}")
    return sorted(job.finished_at for job in found if job.finished_at is not None)


def _show_drain(ends: list[datetime], hints: list[int], *, waiting: int) -> None:
    rate = (len(ends) - 1) / (ends[-1] - ends[0]).total_seconds()
    whole = f"{rate:.2f} jobs/s with {WORKERS} workers ({len(ends)} real trainings of {waiting})"
    say("draining it", whole, target="none set")
    shown = f"{hints[0]} at first, {max(hints)} at most, {hints[-1]} at last (n={len(hints)})"
    say("hints in the broker meanwhile", shown, target=f"never more than {waiting + WORKERS}")


def _cancel_rest(database: Database) -> None:
    """The newest first, away from those that the workers take meanwhile."""
    while _count(database, JobTable.state == JobState.QUEUED):
        with database.transaction() as session:
            queued = select(JobTable).where(JobTable.state == JobState.QUEUED).order_by(JobTable.id.desc())
            for job in session.scalars(queued.limit(AT_ONCE).with_for_update(of=JobTable)).all():
                JobRepository(session).move(job, JobState.CANCELLED)
    wait_until(lambda: not _count(database, JobTable.finished_at.is_(None)), what="for the last jobs to end")


def _count(database: Database, condition: ColumnElement[bool]) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(JobTable).where(condition)) or 0


def _show_emptying(service: Service) -> None:
    """The hints that nobody needs any more are read one by one."""
    before, began = outstanding_hints(service.settings), time.monotonic()
    left = before
    while left and time.monotonic() - began < EMPTYING_SECONDS:
        time.sleep(0.1)
        left = outstanding_hints(service.settings)
    shown = f"{before - left} of {before} in {time.monotonic() - began:.1f} s"
    say("hints read with nothing left to do", shown, target="none set")
