"""The events as the OpenAPI document describes them to whoever receives them. No endpoint of the service is here."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, Field

from app.webhooks.events import EVENT_TYPES, EventType


class Told(BaseModel):
    """What is told of a job or a data set; whoever wants more follows `href`."""

    id: str
    kind: str
    name: str | None
    state: str
    error: dict[str, Any] | None = Field(description="The job's, or the first problem in the report of a data set.")
    model_id: str | None
    href: str


class Event(BaseModel):
    """The body of every webhook, as Standard Webhooks has it."""

    type: EventType
    timestamp: datetime = Field(description="When it happened.")
    data: Told


Id = Annotated[str, Header(alias="webhook-id", description="The event's: the same however often it is sent.")]
Sent = Annotated[str, Header(alias="webhook-timestamp", description="When it was sent, in seconds of Unix time.")]
Signature = Annotated[
    str,
    Header(
        alias="webhook-signature",
        description="`v1,` and the base64 of an HMAC-SHA256 of `id.timestamp.body` under the webhook's secret.",
    ),
]
_WORDS: dict[EventType, str] = {
    "job.started": "A job runs for the first time.",
    "job.paused": "A job was put aside and waits for `resume`.",
    "job.succeeded": "A job has done its work.",
    "job.failed": "A job could not do its work; `error` says why.",
    "job.cancelled": "A job has ended because somebody asked for it.",
    "dataset.ready": "A data set was checked and can be trained on.",
    "dataset.invalid": "A data set was checked and cannot be used; its report says why.",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    204: {"description": "Received; any 2xx within 15 seconds says so."},
    410: {"description": "Nothing more is wanted: the webhook is disabled."},
    "default": {"description": "Not received: it is sent again, for three days."},
}


def _receive(body: Event, id: Id, sent: Sent, signature: Signature) -> None:
    """POSTed to the address of every webhook that listens to it, signed as Standard Webhooks says."""


def described() -> APIRouter:
    """One description for each type of event."""
    router = APIRouter()
    for event in EVENT_TYPES:
        router.add_api_route(
            event, _receive, methods=["POST"], operation_id=event.replace(".", "_"), summary=_WORDS[event],
            status_code=204, responses=_ANSWERS, tags=["webhooks"],
        )  # fmt: skip
    return router
