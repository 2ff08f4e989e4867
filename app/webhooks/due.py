"""Deliveries as whoever sends them holds them: claim one that is due, note what came of it.

A claim puts the next attempt off before anything is sent, so whoever sends and dies leaves the delivery to be sent
again: at least once, and twice only then.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.db.tables import WebhookDeliveryTable as Delivery
from app.db.tables import WebhookTable
from app.db.types import database_in, database_now

#: What Standard Webhooks recommends to wait after the first, second, … attempt. After one more it has failed.
PAUSES = [
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
]
MOST_JITTER = 0.1  #: of the pause, added to it, so that what failed together is not sent together
KEPT = timedelta(days=30)
GONE = 410  #: the receiver wants nothing more


@dataclass(frozen=True)
class Due:
    """A delivery that is ours to send."""

    id: str
    fence: int
    attempt: int
    webhook_id: str
    url: str
    secret: str
    event_id: str
    payload: str


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: the status of the answer, or why there was none."""

    milliseconds: int
    status: int | None = None
    error: str | None = None
    retry_after: timedelta | None = None  #: what the receiver asked to be left alone for

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def count_due(session: Session, *, most: int, full: Collection[str] = ()) -> int:
    """How many could be sent now, without those to the webhooks in `full`; counts no further than `most`."""
    waiting = select(Delivery.id).where(*_is_due(full)).limit(most).subquery()
    return session.scalar(select(func.count()).select_from(waiting)) or 0


def claim(session: Session, *, hold: timedelta, full: Collection[str] = ()) -> Due | None:
    """Take the one that has been due longest, for as long as `hold`; None where nothing is."""
    while (row := _next(session, hold=hold, full=full)) is not None:
        webhook = session.get_one(WebhookTable, row.webhook_id)
        if webhook.disabled_at is None:
            return Due(
                row.id, row.fence, row.attempts, webhook.id, webhook.url, webhook.secret, row.event_id, row.payload
            )
        row.state, row.next_at, row.error = "failed", None, "The webhook was disabled: it had answered 410 Gone."
        session.flush()
    return None


def note(session: Session, due: Due, outcome: Outcome, *, jitter: float) -> None:
    """Write down what came of it, unless it was claimed or asked for again since; `jitter` is from 0 to 1."""
    if outcome.status == GONE:  # the webhook first, as whoever deletes it does
        enabled = WebhookTable.id == due.webhook_id, WebhookTable.disabled_at.is_(None)
        session.execute(update(WebhookTable).where(*enabled).values(disabled_at=datetime.now(UTC)))
    facts = {"response_status": outcome.status, "error": outcome.error, "milliseconds": outcome.milliseconds}
    mine = update(Delivery).where(Delivery.id == due.id, Delivery.fence == due.fence)
    session.execute(mine.values(**facts, **_next_state(due, outcome, jitter)))


def forget_old(session: Session) -> None:
    """Remove what has come to its end and nobody will look at again."""
    session.execute(delete(Delivery).where(Delivery.created_at < datetime.now(UTC) - KEPT, Delivery.state != "pending"))


def _next(session: Session, *, hold: timedelta, full: Collection[str]) -> Delivery | None:
    due = select(Delivery.id).where(*_is_due(full)).order_by(Delivery.next_at).limit(1)
    statement = (
        update(Delivery)
        .where(Delivery.id == due.with_for_update(skip_locked=True).scalar_subquery(), Delivery.state == "pending")
        .values(
            attempts=Delivery.attempts + 1,
            fence=Delivery.fence + 1,
            next_at=database_in(hold),
            attempted_at=database_now(),
        )
        .returning(Delivery)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return session.scalars(statement).one_or_none()


def _is_due(full: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return Delivery.state == "pending", Delivery.next_at <= database_now(), Delivery.webhook_id.not_in(full)


def _next_state(due: Due, outcome: Outcome, jitter: float) -> dict[str, Any]:
    if outcome.is_delivered:
        return {"state": "delivered", "next_at": None, "delivered_at": datetime.now(UTC)}
    if outcome.status == GONE or due.attempt > len(PAUSES):
        return {"state": "failed", "next_at": None}
    asked = min(outcome.retry_after or timedelta(), PAUSES[-1])  # it may put an attempt off, not bring it forward
    return {"next_at": database_in(max(PAUSES[due.attempt - 1], asked) * (1 + MOST_JITTER * jitter))}
