"""The events there are, and what is sent of each; the body of Standard Webhooks."""

import json
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from app.db.tables import DatasetTable, JobTable
from app.domain.lifecycle import JobState

EventType = Literal[
    "job.started",
    "job.paused",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "dataset.ready",
    "dataset.invalid",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)

#: The states that are told of; of `running` only the first time.
OF_STATES: dict[str, EventType] = {
    JobState.RUNNING: "job.started",
    JobState.PAUSED: "job.paused",
    JobState.SUCCEEDED: "job.succeeded",
    JobState.FAILED: "job.failed",
    JobState.CANCELLED: "job.cancelled",
}


def body_of(event: EventType, data: dict[str, Any]) -> str:
    """The body as it is sent, of an event that happens now."""
    moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"type": event, "timestamp": moment, "data": data}, separators=(",", ":"))


def facts_of_job(job: JobTable) -> dict[str, Any]:
    """What is told of a job. Whoever wants more follows `href`."""
    names = ("id", "kind", "name", "state", "error", "model_id")
    return {name: getattr(job, name) for name in names} | {"href": f"/v1/jobs/{job.id}"}


def facts_of_dataset(dataset: DatasetTable) -> dict[str, Any]:
    """What is told of a data set; its error is the first problem of its report."""
    problems = (dataset.report or {}).get("problems") if dataset.state == "invalid" else None
    return {
        "id": dataset.id,
        "kind": dataset.kind,
        "name": dataset.name,
        "state": dataset.state,
        "error": problems[0] if problems else None,
        "model_id": None,
        "href": f"/v1/datasets/{dataset.id}",
    }
