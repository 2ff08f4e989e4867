"""Jobs over HTTP."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response, status
from sqlalchemy.orm import Session

from app.api_keys.held import Held
from app.callers import Caller
from app.db.tables import JobTable
from app.domain.lifecycle import JobState, Verb
from app.http import UNCHANGED, preferred_wait, revision_tag, unchanged
from app.idempotency.once import Answer, JustOnce
from app.jobs import listing, rows, service
from app.jobs.estimate import Estimate, estimate
from app.jobs.listing import JobFilter
from app.jobs.schemas import JobOut, JobPage, JobSubmission, Kind
from app.jobs.watcher import Head
from app.paging import Paging
from app.security import Authenticated, authenticate, hold_key
from app.state import Parts, State

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

RETRY_AFTER_SECONDS = "1"
Kinds = Annotated[list[Kind] | None, Query(max_length=20, description="Only jobs of this kind, or of one of these.")]
States = Annotated[list[JobState] | None, Query(max_length=20, description="Only jobs in one of these states.")]
# Each tag is a subquery of its own.
Tags = Annotated[list[str] | None, Query(max_length=20, description="Only jobs with this tag, or with all of these.")]
Parent = Annotated[str | None, Query(description="The children of this job, which are listed nowhere else.")]
Changes = Annotated[dict[str, Any] | None, Body(examples=[{"epochs": 20, "optimizer": {"weight_decay": 0.001}}])]


@router.post(
    "",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=JobOut,
    responses={200: {"model": Estimate, "description": "With `validate_only`: what would run. Nothing is queued."}},
)
def submit_job(
    submission: JobSubmission,
    parts: Parts,
    once: JustOnce,
    validate_only: Annotated[bool, Query(description="Check the job and say what would run; queue nothing.")] = False,
) -> Response:
    """Queue a job. It is safe once this answers; follow it at `Location`."""
    most = parts.settings.max_waiting_per_owner
    if validate_only:
        with parts.database.reading() as session:
            spec, dataset = service.checked(session, submission, once.caller)
        return Answer.of(estimate(spec, dataset)).response()
    return _made(parts, once, lambda session: service.submit(session, submission, once.caller, most_waiting=most))


def _made(parts: State, once: JustOnce, make: Callable[[Session], JobTable]) -> Response:
    """The answer to a request for a new job; workers hear of it once it is safe."""
    made: list[str] = []

    def work(session: Session) -> Answer:
        job = make(session)
        made.append(job.id)
        headers = {"Location": f"/v1/jobs/{job.id}", "Retry-After": RETRY_AFTER_SECONDS}
        return Answer.of(JobOut.whole(job, plots=[]), status=status.HTTP_202_ACCEPTED, headers=headers)

    response = once.do(work)
    for id in made:
        parts.queue.hint(id)
    return response


@router.get("", response_model=JobPage, responses=UNCHANGED)
async def list_jobs(
    parts: Parts,
    caller: Authenticated,
    page: Paging,
    kind: Kinds = None,
    state: States = None,
    tag: Tags = None,
    parent_id: Parent = None,
) -> Response:
    """Jobs, newest first, without their specs and results."""
    wanted = JobFilter(
        kinds=[*(kind or [])], states=[*(state or [])], tags=tag or [], parent_id=parent_id, owner=caller.only
    )
    with parts.database.reading_rows() as connection:
        jobs = listing.page(connection, wanted, limit=page.rows, before=page.after)
    return page.answer(JobPage, jobs)


@router.get("/{job_id}", response_model=JobOut, responses=UNCHANGED)
async def get_job(job_id: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """One job. `Prefer: wait=30` answers when the job has ended or is paused, or after so many seconds."""
    headers = {}
    wait = preferred_wait(request)
    if wait:
        await _until_at_rest(job_id, parts, caller, request, wait_seconds=wait)
        headers["Preference-Applied"] = f"wait={wait}"
    with parts.database.reading_rows() as connection:
        if "if-none-match" in request.headers:
            headers["ETag"] = revision_tag(rows.revision(connection, job_id, caller))
            if answer := unchanged(request, headers):
                return answer
        job, revision = rows.whole(connection, job_id, caller)
    headers["ETag"] = revision_tag(revision)
    if not job.state.ended:
        headers["Retry-After"] = RETRY_AFTER_SECONDS
    return Response(job.model_dump_json(), headers=headers, media_type="application/json")


@router.post("/{job_id}/cancel", response_model=JobOut)
def cancel_job(job_id: str, once: JustOnce) -> Response:
    """Stop a job. A running one is `cancelling` until its worker has stopped, within a batch."""
    return _asked(job_id, once, Verb.CANCEL)


@router.post("/{job_id}/pause", response_model=JobOut)
def pause_job(job_id: str, once: JustOnce) -> Response:
    """Put a job aside. A running one is `pausing` until its worker has saved a checkpoint and stopped."""
    return _asked(job_id, once, Verb.PAUSE)


@router.post("/{job_id}/resume", response_model=JobOut)
def resume_job(job_id: str, parts: Parts, once: JustOnce) -> Response:
    """Queue a paused job again; it goes on from its checkpoint, with its whole time limit."""
    response = _asked(job_id, once, Verb.RESUME, most_waiting=parts.settings.max_waiting_per_owner)
    parts.queue.hint(job_id)
    return response


@router.post("/{job_id}/retry", status_code=status.HTTP_202_ACCEPTED, response_model=JobOut)
def retry_job(job_id: str, parts: Parts, once: JustOnce) -> Response:
    """Submit a failed or cancelled job again, as a new one that names it as its `source_id`."""
    return _again(job_id, parts, once, verb="retry")


@router.post("/{job_id}/clone", status_code=status.HTTP_202_ACCEPTED, response_model=JobOut)
def clone_job(job_id: str, parts: Parts, once: JustOnce, changes: Changes = None) -> Response:
    """Submit a job like this one. The body, if any, is a JSON Merge Patch (RFC 7396) of what was submitted.

    An object that names another optimizer, policy, architecture or data set replaces the old one whole.
    """
    return _again(job_id, parts, once, verb="clone", changes=changes)


def _again(job_id: str, parts: State, once: JustOnce, *, verb: str, changes: Changes = None) -> Response:
    options: dict[str, Any] = {"verb": verb, "changes": changes, "most_waiting": parts.settings.max_waiting_per_owner}
    return _made(parts, once, lambda session: service.again(session, job_id, once.caller, **options))


def _asked(job_id: str, once: JustOnce, verb: Verb, *, most_waiting: int | None = None) -> Response:
    def work(session: Session) -> Answer:
        job = service.ask(session, job_id, verb, once.caller, most_waiting=most_waiting)
        session.flush()
        return Answer.of(JobOut.whole(job, plots=service.plot_names(session, job_id)))

    return once.do(work)


@router.delete("/{job_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_job(job_id: str, parts: Parts, caller: Authenticated) -> None:
    """Remove an ended job, its history and its artifacts. Its model stays."""
    service.delete(parts.database, parts.store, job_id, caller)


async def _until_at_rest(job_id: str, parts: State, caller: Caller, request: Request, *, wait_seconds: int) -> None:
    with parts.database.reading() as session:
        service.find(session, job_id, caller)
    with hold_key(request) as held, suppress(TimeoutError):  # the answer then shows how far the job has come
        await parts.watcher.until(job_id, partial(_is_at_rest, held), timeout_seconds=wait_seconds)
    await authenticate(request)  # raises where the key was lost meanwhile


def _is_at_rest(held: Held, head: Head) -> bool:
    return head.state.ended or head.state is JobState.PAUSED or held.is_lost
