"""What one can do with jobs. Each function is one transaction; hints to workers leave after it."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.datasets.service import resolve
from app.db.session import Database
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.db.types import database_now
from app.domain.lifecycle import JobState, after_cancel
from app.errors import Conflict, not_found
from app.ids import is_id, new_id
from app.jobs.checks import check
from app.jobs.repository import JobFilter, JobRepository
from app.jobs.schemas import RangeTestSubmission, TrainingSubmission, spec_of
from app.queue import Queue


def submit(database: Database, queue: Queue, submission: RangeTestSubmission | TrainingSubmission) -> JobTable:
    """Check a job, store it, and tell the workers. Once this returns, the job is safe."""
    spec = spec_of(submission)
    with database.transaction() as session:
        dataset = resolve(spec.dataset, session)
        check(spec, dataset)
        now = datetime.now(UTC)
        job = JobTable(
            id=new_id("job"),
            kind=spec.kind,
            name=submission.name,
            tags=[JobTagTable(tag=tag) for tag in dict.fromkeys(submission.tags)],
            priority=submission.priority,
            max_attempts=submission.max_attempts,
            state=JobState.QUEUED,
            spec=spec.model_dump(mode="json"),
            dataset_id=dataset.id,
            created_at=now,
            hinted_at=database_now(),
        )
        JobRepository(session).add(job)
    queue.hint(job.id)
    return job


def find(session: Session, id: str) -> JobTable:
    """A job that must exist."""
    job = JobRepository(session).get(id) if is_id(id, "job") else None
    if job is None:
        raise not_found("job", id)
    return job


def list_jobs(
    database: Database, wanted: JobFilter, *, limit: int, before: str | None
) -> tuple[list[JobTable], str | None]:
    """A page of jobs and the id to go on from, None on the last page."""
    with database.reading() as session:
        jobs = JobRepository(session).page(wanted, limit=limit + 1, before=before)
    return jobs[:limit], jobs[limit - 1].id if len(jobs) > limit else None


def cancel(database: Database, id: str) -> JobTable:
    """Stop a job; a running one stops within a batch. Asking twice is asking once."""
    with database.transaction() as session:
        jobs = JobRepository(session)
        job = _lock(jobs, id)
        state = JobState(job.state)
        to = after_cancel(state)
        if to is None:
            detail = f"The job has {state} already and cannot be cancelled."
            raise Conflict("job_ended", detail, "Nothing needs to be done; DELETE removes an ended job.")
        if to is not state:
            jobs.move(job, to)
    return job


def delete(database: Database, store: ArtifactStore, id: str) -> None:
    """Remove an ended job with its history and artifacts; its model stays."""
    with database.transaction() as session:
        jobs = JobRepository(session)
        job = _lock(jobs, id)
        if not JobState(job.state).ended:
            raise Conflict("job_not_ended", f"The job is {job.state}.", "Cancel it first: POST …/cancel.")
        jobs.delete(job)
    store.discard_below(f"jobs/{id}/")


def artifacts(session: Session, job_id: str) -> list[ArtifactTable]:
    """The files of a job, by name."""
    statement = select(ArtifactTable).where(ArtifactTable.job_id == job_id).order_by(ArtifactTable.name)
    return list(session.scalars(statement))


def plot_names(session: Session, job_id: str) -> list[str]:
    """The names of a job's pictures."""
    names = [artifact.name for artifact in artifacts(session, job_id)]
    return [name for name in names if name.endswith((".png", ".svg"))]


def _lock(jobs: JobRepository, id: str) -> JobTable:
    job = jobs.lock(id) if is_id(id, "job") else None
    if job is None:
        raise not_found("job", id)
    return job
