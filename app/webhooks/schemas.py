"""Webhooks on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.db.tables import WebhookDeliveryTable, WebhookTable
from app.domain.specs.fields import NO_NUL
from app.webhooks.events import EVENT_TYPES, EventType


class NewWebhook(BaseModel):
    """An address, and what it is to hear of."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=2000,
            pattern=NO_NUL,
            description="Where to POST events: https, a public address.",
            examples=["https://example.com/hooks/supercycle"],
        ),
    ]
    events: Annotated[
        list[EventType],
        Field(
            min_length=1,
            max_length=100,
            description="Which events to send; without it, all.",
            examples=[["job.failed"]],
        ),
    ] = list(EVENT_TYPES)


class WebhookOut(BaseModel):
    """A webhook. Its secret is shown when it is made, and never again."""

    id: str
    owner: str
    url: str
    events: list[str]
    created_at: datetime
    disabled_at: datetime | None = Field(description="Since when nothing is sent, because it answered 410 Gone.")

    @classmethod
    def of(cls, row: WebhookTable) -> "WebhookOut":
        """From its row."""
        return cls.model_validate(row, from_attributes=True)


class WebhookMade(WebhookOut):
    """A new webhook with its secret: keep it, receivers verify signatures with it."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])

    @classmethod
    def of(cls, row: WebhookTable) -> "WebhookMade":
        """From its row."""
        return cls.model_validate(row, from_attributes=True)


class WebhookPage(BaseModel):
    """A page of webhooks, newest first."""

    items: list[WebhookOut]
    next_cursor: str | None


class DeliveryOut(BaseModel):
    """One event on its way to one webhook, and how the last attempt went."""

    id: str
    event_id: str
    type: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    next_at: datetime | None
    attempted_at: datetime | None
    response_status: int | None
    error: str | None
    milliseconds: int | None
    created_at: datetime
    delivered_at: datetime | None

    @classmethod
    def of(cls, row: WebhookDeliveryTable) -> "DeliveryOut":
        """From its row."""
        return cls.model_validate(row, from_attributes=True)


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first."""

    items: list[DeliveryOut]
    next_cursor: str | None
