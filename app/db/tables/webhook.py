"""Webhooks, and what is to be delivered to them: written in the transaction of what it tells of."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class WebhookTable(Base):
    """An address of an owner's that hears of what happens to that owner's jobs and data sets."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[str]]
    secret: Mapped[str]  #: not as a digest: it signs
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]  #: when it answered 410 Gone

    __table_args__ = (Index("ix_webhooks_owner_id", "owner", "id"),)


class WebhookDeliveryTable(Base):
    """One event on its way to one webhook."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[str]
    type: Mapped[str]
    payload: Mapped[str]  #: as it is sent, and signed, each time
    state: Mapped[str]  #: pending, delivered or failed
    attempts: Mapped[int] = mapped_column(default=0)  #: since the event, or since it was asked for again
    fence: Mapped[int] = mapped_column(default=0)  #: grows with each claim: a late outcome is not noted
    next_at: Mapped[datetime | None]
    attempted_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]
    milliseconds: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_webhook_deliveries_state_next_at", "state", "next_at"),
        Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
    )
