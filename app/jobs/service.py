"""What one can do with jobs, within the caller's transaction; hints to workers leave after it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.callers import Caller, administrator
from app.datasets.service import DatasetFacts, named_for_import, resolve
from app.db.session import Database
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.db.types import database_now, now_seconds
from app.domain.lifecycle import JobState, Verb, after_verb
from app.domain.specs import DatasetImportSpec
from app.errors import Conflict, TooManyRequests, not_found
from app.ids import is_id, new_id
from app.jobs.checks import DeviceSpec, check
from app.jobs.repository import JobRepository
from app.jobs.resubmission import resubmission
from app.jobs.schemas import DeviceEnvelope, Submission, spec_of

Spec = DeviceSpec | DatasetImportSpec


def submit(
    session: Session,
    submission: Submission,
    caller: Caller,
    *,
    most_waiting: int | None = None,
    source: JobTable | None = None,
) -> JobTable:
    """Check a job and store it; once the transaction has ended, it is safe. Tell the workers then.

    With `most_waiting`, an owner who has so many jobs waiting already is refused.
    """
    spec, dataset = checked(session, submission, caller)
    jobs = JobRepository(session)
    if most_waiting is not None and jobs.count_waiting(caller.owner, most=most_waiting) >= most_waiting:
        raise _too_many(most_waiting)
    envelope = submission.model_dump(include=set(DeviceEnvelope.model_fields) - {"tags"})
    job = JobTable(
        id=new_id("job"),
        owner=caller.owner,
        kind=spec.kind,
        tags=[JobTagTable(tag=tag) for tag in dict.fromkeys(submission.tags)],
        state=JobState.QUEUED,
        spec=spec.model_dump(mode="json"),
        devices=1 if isinstance(spec, DatasetImportSpec) else spec.devices,
        dataset_id=dataset.id,
        source_id=source.id if source else None,
        created_at=datetime.now(UTC),
        hinted_at=database_now(),
        **envelope,
    )
    jobs.add(job)
    return job


def checked(session: Session, submission: Submission, caller: Caller) -> tuple[Spec, DatasetFacts]:
    """What a submission runs and on what, or the problem with it."""
    spec = spec_of(submission)
    if isinstance(spec, DatasetImportSpec):
        return spec, named_for_import(spec.dataset)
    dataset = resolve(spec.dataset, session, caller)
    check(spec, dataset)
    return spec, dataset


def again(
    session: Session,
    id: str,
    caller: Caller,
    *,
    verb: str,
    changes: Mapping[str, Any] | None = None,
    most_waiting: int | None = None,
) -> JobTable:
    """A new job from an old one: `retry` as it was, once it has failed or was cancelled; `clone` with changes.

    It belongs to the owner of the old one, also where an administrator makes it.
    """
    source = find(session, id, caller)
    heir = administrator(source.owner) if caller.only is None else caller
    if verb == "retry" and source.state not in (JobState.FAILED, JobState.CANCELLED):
        detail = f"The job is {source.state}; only a failed or cancelled one is tried again."
        raise Conflict("cannot_retry", detail, "POST …/clone makes a new job of any.")
    return submit(session, resubmission(source, changes or {}), heir, most_waiting=most_waiting, source=source)


def find(session: Session, id: str, caller: Caller) -> JobTable:
    """A job that must exist for this caller."""
    job = JobRepository(session).get(id, only=caller.only) if is_id(id, "job") else None
    if job is None:
        raise not_found("job", id)
    return job


def ask(session: Session, id: str, verb: Verb, caller: Caller) -> JobTable:
    """Cancel, pause or resume a job; a running one stops within a batch. Asking twice is asking once."""
    jobs = JobRepository(session)
    job = _lock(jobs, id, caller)
    state = JobState(job.state)
    to = after_verb(verb, state)
    if to is None:
        raise _conflict(verb, state)
    if to is not state:
        jobs.move(job, to)
    if verb is Verb.RESUME:
        _begin_again(job, session)
    return job


def _begin_again(job: JobTable, session: Session) -> None:
    """A resumed job has its whole time limit, all its attempts, and nothing to wait for."""
    job.ran_seconds, job.crashes, job.hints = 0.0, 0, 0
    job.not_before = None
    job.hinted_at = datetime.fromtimestamp(now_seconds(session), UTC)


def _conflict(verb: Verb, state: JobState) -> Conflict:
    if state.ended:
        detail = f"The job has {_PAST[state]} already: it is too late to {verb} it."
        return Conflict("job_ended", detail, "Nothing needs to be done; DELETE removes an ended job.")
    if verb is Verb.RESUME:
        return Conflict("job_not_paused", f"The job is {state}; only a paused one can be resumed.", _WAIT)
    return Conflict("job_stopping", f"The job is {state}, so it cannot be paused any more.", _WAIT)


_PAST = {JobState.SUCCEEDED: "succeeded", JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}
_WAIT = "Look again in a moment: GET …/jobs/{id} shows its state."


def _too_many(most: int) -> TooManyRequests:
    detail = f"{most:,} jobs of yours wait already, which is as many as may."
    hint = "Submit more once some have begun, or cancel what is not needed."
    return TooManyRequests("too_many_waiting", detail, hint, retry_after_seconds=30)


def delete(database: Database, store: ArtifactStore, id: str, caller: Caller) -> None:
    """Remove an ended job with its history and artifacts, in a transaction of its own; its model stays."""
    with database.transaction() as session:
        jobs = JobRepository(session)
        job = _lock(jobs, id, caller)
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


def _lock(jobs: JobRepository, id: str, caller: Caller) -> JobTable:
    job = jobs.lock(id, only=caller.only) if is_id(id, "job") else None
    if job is None:
        raise not_found("job", id)
    return job
