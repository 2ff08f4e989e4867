"""What one can do with jobs, within the caller's transaction; hints to workers leave after it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.artifacts.store import ArtifactStore
from app.callers import Caller, administrator
from app.datasets.service import DatasetFacts, named_for_import, resolve
from app.db.locks import lock_owner
from app.db.session import Database
from app.db.tables import ArtifactTable, JobTable, JobTagTable
from app.db.types import database_now
from app.domain.lifecycle import JobState, Verb, after_verb
from app.domain.specs import AnySpec, DatasetImportSpec, PlanSpec
from app.errors import Conflict, TooManyRequests, not_found
from app.ids import is_id, new_id
from app.jobs.checks import check, check_plan
from app.jobs.estimate import settled
from app.jobs.family import Family, ask_children, is_plan, needing_plans
from app.jobs.fingerprint import fingerprint
from app.jobs.repository import JobRepository, begin_again
from app.jobs.resubmission import resubmission
from app.jobs.schemas import DeviceEnvelope, Submission, spec_of


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
    _refuse_too_many(jobs, caller.owner, most_waiting)
    envelope = submission.model_dump(include=set(DeviceEnvelope.model_fields) - {"tags"})
    job = JobTable(
        id=new_id("job"),
        owner=caller.owner,
        kind=spec.kind,
        tags=[JobTagTable(tag=tag) for tag in dict.fromkeys(submission.tags)],
        state=JobState.QUEUED,
        spec=spec.model_dump(mode="json"),
        resolved=settled(spec, dataset),
        devices=1 if isinstance(spec, DatasetImportSpec | PlanSpec) else spec.devices,
        fingerprint=fingerprint(spec, dataset),
        dataset_id=dataset.id,
        source_id=source.id if source else None,
        created_at=datetime.now(UTC),
        hinted_at=database_now(),
        **envelope,
    )
    jobs.add(job)
    return job


def checked(session: Session, submission: Submission, caller: Caller) -> tuple[AnySpec, DatasetFacts]:
    """What a submission runs and on what, or the problem with it."""
    spec = spec_of(submission)
    if isinstance(spec, DatasetImportSpec):
        return spec, named_for_import(spec.dataset)
    dataset = resolve(spec.dataset, session, caller)
    if isinstance(spec, PlanSpec):
        check_plan(spec, dataset)
    else:
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


def ask(session: Session, id: str, verb: Verb, caller: Caller, *, most_waiting: int | None = None) -> JobTable:
    """Cancel, pause or resume a job; a running one stops within a batch. Asking twice is asking once.

    One that is resumed waits again, so with `most_waiting` its owner is refused as one who submits it.
    """
    jobs = JobRepository(session)
    job = _lock(jobs, id, caller)
    state = JobState(job.state)
    to = after_verb(verb, state)
    if to is None:
        raise _conflict(verb, state)
    if verb is Verb.RESUME and job.parent_id is None:  # of a plan's, the plan is counted
        _refuse_too_many(jobs, job.owner, most_waiting, beside=job.id)
    if to is not state:
        jobs.move(job, to)
    if verb is Verb.RESUME:
        begin_again(job, session)
    if is_plan(job):
        ask_children(session, job, verb)
    return job


def _conflict(verb: Verb, state: JobState) -> Conflict:
    if state.ended:
        detail = f"The job has {_PAST[state]} already: it is too late to {verb} it."
        return Conflict("job_ended", detail, "Nothing needs to be done; DELETE removes an ended job.")
    if verb is Verb.RESUME:
        return Conflict("job_not_paused", f"The job is {state}; only a paused one can be resumed.", _WAIT)
    return Conflict("job_stopping", f"The job is {state}, so it cannot be paused any more.", _WAIT)


_PAST = {JobState.SUCCEEDED: "succeeded", JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}
_WAIT = "Look again in a moment: GET …/jobs/{id} shows its state."


def _refuse_too_many(jobs: JobRepository, owner: str, most: int | None, *, beside: str | None = None) -> None:
    if most is None:
        return
    lock_owner(jobs.session, owner, adding="jobs")
    if jobs.count_waiting(owner, most=most, beside=beside) < most:
        return
    detail = f"{owner} has as many jobs that wait, or plans that have not ended, as may be: {most:,}."
    hint = "Come again once jobs have begun or plans have ended, or cancel what is not needed."
    raise TooManyRequests("too_many_waiting", detail, hint, retry_after_seconds=30)


def delete(database: Database, store: ArtifactStore, id: str, caller: Caller) -> None:
    """Remove an ended job with its history and artifacts, and a plan with its jobs, in a transaction; models stay."""
    with database.transaction() as session:
        jobs = JobRepository(session)
        job = _lock(jobs, id, caller)
        gone = [job, *_deletable_children(session, job)]
        ids = [one.id for one in gone]
        for one in gone:
            jobs.delete(one)
    for gone_id in ids:
        store.discard_below(f"jobs/{gone_id}/")


def _deletable_children(session: Session, job: JobTable) -> list[JobTable]:
    """Of a job that may be deleted, what is deleted with it; raises Conflict for one that may not."""
    if not JobState(job.state).ended:
        raise Conflict("job_not_ended", f"The job is {job.state}.", "Cancel it first: POST …/cancel.")
    children = Family(session, job).descendants() if is_plan(job) else []
    if busy := [child.id for child in children if not JobState(child.state).ended]:
        raise Conflict("job_not_ended", f"{len(busy)} of its jobs are just being stopped.", "Ask again in a moment.")
    for plan in needing_plans(session, [job, *children]):
        if not JobState(plan.state).ended:
            whose = "What the job or one of its jobs found" if children else "The job's result"
            detail = f"{whose} is part of {plan.id}, which is {plan.state}."
            raise Conflict("parent_not_ended", detail, "Delete it once that has ended, or cancel that.")
    return children


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
