"""Jobs over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response, status

from app.db.tables import JobTable
from app.domain.lifecycle import JobState, Verb
from app.http import Cursor, Limit, decode_cursor, encode_cursor, is_fresh, preferred_wait
from app.jobs import service
from app.jobs.repository import JobFilter
from app.jobs.schemas import JobHead, JobOut, JobPage, JobSubmission
from app.jobs.stream import Head
from app.state import Parts, State

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

RETRY_AFTER_SECONDS = "1"
SEVERAL = Query(max_length=20)  #: each tag is a subquery of its own
Changes = Annotated[dict[str, Any] | None, Body(examples=[{"epochs": 20, "optimizer": {"weight_decay": 0.001}}])]


@router.post("", status_code=status.HTTP_202_ACCEPTED)
def submit_job(submission: JobSubmission, parts: Parts, response: Response) -> JobOut:
    """Queue a job. It is safe once this answers; follow it at `Location`."""
    return _accepted(service.submit(parts.database, parts.queue, submission), response)


def _accepted(job: JobTable, response: Response) -> JobOut:
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return JobOut.whole(job, plots=[])


@router.get("")
def list_jobs(
    parts: Parts,
    kind: Annotated[list[str] | None, SEVERAL] = None,
    state: Annotated[list[JobState] | None, SEVERAL] = None,
    tag: Annotated[list[str] | None, SEVERAL] = None,
    parent_id: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """Jobs, newest first. Repeat kind, state or tag to widen the search (tags: to narrow it)."""
    wanted = JobFilter(kinds=kind or [], states=[*(state or [])], tags=tag or [], parent_id=parent_id)
    jobs, last = service.list_jobs(parts.database, wanted, limit=limit, before=decode_cursor(cursor))
    return JobPage(items=[JobHead.of(job) for job in jobs], next_cursor=encode_cursor(last))


@router.get("/{job_id}", response_model=JobOut, responses={304: {"description": "Unchanged since the ETag given."}})
async def get_job(job_id: str, parts: Parts, request: Request, response: Response) -> JobOut | Response:
    """One job. `Prefer: wait=30` answers when the job has ended or is paused, or after so many seconds."""
    wait = preferred_wait(request)
    if wait:
        await _until_at_rest(job_id, parts, wait_seconds=wait)
        response.headers["Preference-Applied"] = f"wait={wait}"
    with parts.database.reading() as session:
        row = service.find(session, job_id)
        etag = f'"{row.revision}"'
        job = JobOut.whole(row, plots=service.plot_names(session, job_id))
    response.headers["ETag"] = etag
    if is_fresh(request, etag):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
    if not job.state.ended:
        response.headers["Retry-After"] = RETRY_AFTER_SECONDS
    return job


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, parts: Parts) -> JobOut:
    """Stop a job. A running one is `cancelling` until its worker has stopped, within a batch."""
    return _asked(job_id, parts, Verb.CANCEL)


@router.post("/{job_id}/pause")
def pause_job(job_id: str, parts: Parts) -> JobOut:
    """Put a job aside. A running one is `pausing` until its worker has saved a checkpoint and stopped."""
    return _asked(job_id, parts, Verb.PAUSE)


@router.post("/{job_id}/resume")
def resume_job(job_id: str, parts: Parts) -> JobOut:
    """Queue a paused job again; it goes on from its checkpoint, with its whole time limit."""
    return _asked(job_id, parts, Verb.RESUME)


@router.post("/{job_id}/retry", status_code=status.HTTP_202_ACCEPTED)
def retry_job(job_id: str, parts: Parts, response: Response) -> JobOut:
    """Submit a failed or cancelled job again, as a new one that names it as its `source_id`."""
    return _accepted(service.again(parts.database, parts.queue, job_id, verb="retry"), response)


@router.post("/{job_id}/clone", status_code=status.HTTP_202_ACCEPTED)
def clone_job(job_id: str, parts: Parts, response: Response, changes: Changes = None) -> JobOut:
    """Submit a job like this one. The body, if any, is a JSON Merge Patch (RFC 7396) of what was submitted.

    An object that names another optimizer, policy, architecture or data set replaces the old one whole.
    """
    return _accepted(service.again(parts.database, parts.queue, job_id, verb="clone", changes=changes), response)


def _asked(job_id: str, parts: State, verb: Verb) -> JobOut:
    service.ask(parts.database, parts.queue, job_id, verb)
    return _read(job_id, parts)


@router.delete("/{job_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_job(job_id: str, parts: Parts) -> None:
    """Remove an ended job, its history and its artifacts. Its model stays."""
    service.delete(parts.database, parts.store, job_id)


def _read(job_id: str, parts: State) -> JobOut:
    with parts.database.reading() as session:
        job = service.find(session, job_id)
        return JobOut.whole(job, plots=service.plot_names(session, job_id))


async def _until_at_rest(job_id: str, parts: State, *, wait_seconds: int) -> None:
    with parts.database.reading() as session:
        service.find(session, job_id)
    try:
        await parts.watcher.until(job_id, _is_at_rest, timeout_seconds=wait_seconds)
    except TimeoutError:
        return  # the answer then shows how far the job has come


def _is_at_rest(head: Head) -> bool:
    return head.state.ended or head.state is JobState.PAUSED
