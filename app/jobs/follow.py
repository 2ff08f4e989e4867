"""What a job has done so far, over HTTP: events, metrics, logs, artifacts, plots."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response, status
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse

from app.callers import Caller
from app.db.tables import ArtifactTable
from app.domain.lifecycle import JobState
from app.errors import Conflict, FieldError, NotFound, Unprocessable
from app.files import StoredFile, send_file
from app.http import UNCHANGED, accepts, revision_tag, send_json, unchanged
from app.jobs import service
from app.jobs.logs import render
from app.jobs.metrics import HISTORY, Phase, as_csv, check_series, collect
from app.jobs.repository import JobRepository
from app.jobs.schemas import ArtifactOut, ArtifactPage, EventOut, EventPage, Metrics
from app.jobs.stream import server_sent_events
from app.security import Authenticated, hold_key
from app.state import Parts, State

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])

LARGEST_SEQ = 2**31 - 1  #: PostgreSQL's integer

Series = Annotated[list[str] | None, Query(description="Columns to send; all without it.")]
FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "The file; `Range` is honoured."}
}


@router.get("/events", response_model=EventPage, responses=UNCHANGED | {200: {"content": {"text/event-stream": {}}}})
async def list_events(
    job_id: str,
    parts: Parts,
    caller: Authenticated,
    request: Request,
    after: Annotated[int, Query(ge=0, le=LARGEST_SEQ, description="Only events with a larger seq.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Events per page; a stream has no pages.")] = 200,
    last_event_id: Annotated[str | None, Header(description="Of a stream, instead of `after`.")] = None,
) -> Response:
    """The history: a page as JSON, or with `Accept: text/event-stream` a stream that ends with the job or its key."""
    if accepts(request, "text/event-stream"):
        return _stream(job_id, parts, caller, request, after=_seq(last_event_id, after))
    with parts.database.reading() as session:
        service.find(session, job_id, caller)
        items = [EventOut.of(row) for row in JobRepository(session).events(job_id, after=after, limit=limit)]
    return _varying(send_json(request, EventPage(items=items, last_seq=items[-1].seq if items else after)))


def _varying(response: Response) -> Response:
    """Says that the form depends on what was asked for, not only the address."""
    response.headers["Vary"] = "Accept"
    return response


def _stream(job_id: str, parts: State, caller: Caller, request: Request, *, after: int) -> Response:
    with parts.database.reading() as session:
        job = service.find(session, job_id, caller)
    if JobState(job.state).ended and after >= job.last_seq:
        return Response(status_code=status.HTTP_204_NO_CONTENT)  # tells an EventSource not to come back
    events = server_sent_events(
        parts.pages,
        parts.watcher,
        job_id,
        key=hold_key(request),
        after=after,
        newest=job.last_seq,
        keepalive_seconds=parts.keepalive_seconds,
    )
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return _varying(StreamingResponse(events, headers=headers, media_type=EventSourceResponse.media_type))


def _seq(last_event_id: str | None, after: int) -> int:
    if last_event_id is None:
        return after
    if not last_event_id.isdecimal() or len(last_event_id) > 10 or int(last_event_id) > LARGEST_SEQ:
        detail = "Last-Event-ID must be the seq of an event."
        error = FieldError(detail, "invalid_value", parameter="Last-Event-ID")
        raise Unprocessable("invalid_value", detail, "Send the id of the last event you received.", [error])
    return int(last_event_id)


@router.get("/metrics", response_model=Metrics, responses=UNCHANGED | {200: {"content": {"text/csv": {}}}})
def get_metrics(
    job_id: str,
    parts: Parts,
    caller: Authenticated,
    request: Request,
    phase: Annotated[Phase | None, Query(description="By default what the job is there for.")] = None,
    series: Series = None,
    max_points: Annotated[int, Query(ge=2, le=100_000, description="At most so many steps; extremes stay.")] = 1000,
) -> Response:
    """Per-step and per-epoch columns. With `Accept: text/csv` the steps, or with `series` of epochs those."""
    with parts.database.reading() as session:
        job = service.find(session, job_id, caller)
        wanted: Phase = phase or ("range_test" if job.kind == "range_test" else "training")
        check_series(series or [], wanted)
        form = "csv" if accepts(request, "text/csv") else "json"
        headers = {"ETag": revision_tag(job.revision, form), "Vary": "Accept"}
        if answer := unchanged(request, headers):
            return answer  # before a hundred thousand steps are read
        events = JobRepository(session).entries(job_id, types=HISTORY)
    metrics = collect(events, wanted, series=series or [], max_points=max_points)
    if form == "json":
        return Response(metrics.model_dump_json(), headers=headers, media_type="application/json")
    only_epochs = series and all(name in metrics.epochs for name in series)
    table = as_csv(metrics.epochs if only_epochs else metrics.steps)
    return Response(table, headers=headers, media_type="text/csv")


@router.get("/logs", response_class=PlainTextResponse, responses=UNCHANGED)
def get_logs(job_id: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """What happened, a line each; kept for failed jobs."""
    with parts.database.reading() as session:
        headers = {"ETag": revision_tag(service.find(session, job_id, caller).revision)}
        if answer := unchanged(request, headers):
            return answer
        types = ["state", "phase", "epoch", "checkpoint", "warning", "log", "rewind"]
        lines = render(JobRepository(session).events(job_id, types=types))
    return PlainTextResponse(lines, headers=headers)


@router.get("/artifacts", response_model=ArtifactPage, responses=UNCHANGED)
def list_artifacts(job_id: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """The files the job made, other than its model."""
    with parts.database.reading() as session:
        service.find(session, job_id, caller)
        found = service.artifacts(session, job_id)
    return send_json(request, ArtifactPage(items=[ArtifactOut.of(row) for row in found]))


@router.get("/artifacts/{name}", response_class=Response, responses=FILE)
def get_artifact(job_id: str, name: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """One file."""
    return _send(job_id, name, parts, request, caller, kind="artifact")


@router.get("/plots/{name}", response_class=Response, responses=FILE)
def get_plot(job_id: str, name: str, parts: Parts, caller: Authenticated, request: Request) -> Response:
    """A picture, e.g. `range_test.png`, `learning_rate.svg`, `loss.png`, `accuracy.png`,
    `confusion_matrix.png`."""
    return _send(job_id, name, parts, request, caller, kind="plot")


def _send(job_id: str, name: str, parts: State, request: Request, caller: Caller, *, kind: str) -> Response:
    with parts.database.reading() as session:
        job = service.find(session, job_id, caller)
        row = session.get(ArtifactTable, (job_id, name))
    if row is not None:
        return send_file(request, parts.store, StoredFile(name, row.key, row.size, row.sha256, row.media_type))
    if not JobState(job.state).ended:
        detail = f"The job is {job.state} and has no {kind} {name!r} yet."
        raise Conflict("not_ready", detail, "Ask again later, or follow the job's events.", retry_after_seconds=2)
    raise NotFound(
        f"unknown_{kind}", f"The job has no {kind} {name!r}.", f"GET /v1/jobs/{job_id}/artifacts lists them."
    )
