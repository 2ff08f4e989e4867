"""Puts events into the outbox, within the transaction of what they tell of: both are stored, or neither is.

The keeper sends them from there. Webhooks hear of their own owner's things alone.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from app.db.tables import DatasetTable, JobTable, WebhookDeliveryTable, WebhookTable
from app.db.types import database_now
from app.ids import new_id
from app.webhooks.events import OF_STATES, EventType, body_of, facts_of_dataset, facts_of_job


def tell_of_job(session: Session, job: JobTable) -> None:
    """Tell of the state that a job has just come to, if it is one that is told of, and the job no part of a plan."""
    event = OF_STATES.get(job.state) if job.parent_id is None else None
    if event is not None:
        _tell(session, job.owner, event, lambda: facts_of_job(job))


def tell_of_dataset(session: Session, dataset: DatasetTable) -> None:
    """Tell how the check of a data set ended."""
    event: EventType = "dataset.ready" if dataset.state == "ready" else "dataset.invalid"
    _tell(session, dataset.owner, event, lambda: facts_of_dataset(dataset))


def _tell(session: Session, owner: str, event: EventType, facts: Callable[[], dict[str, Any]]) -> None:
    webhooks = [id for id, events in _listening(session, owner) if event in events]
    if not webhooks:
        return
    told = {"event_id": new_id("evt"), "type": event, "payload": body_of(event, facts())}
    usual = {"state": "pending", "attempts": 0, "fence": 0, "created_at": datetime.now(UTC)}
    rows = [{"id": new_id("dlv"), "webhook_id": webhook, **told, **usual} for webhook in webhooks]
    session.execute(insert(WebhookDeliveryTable).values(next_at=database_now()), rows)


def _listening(session: Session, owner: str) -> list[tuple[str, list[str]]]:
    """An owner's webhooks. None is deleted until the transaction ends, or storing the delivery would fail for it."""
    columns = select(WebhookTable.id, WebhookTable.events)
    statement = columns.where(WebhookTable.owner == owner, WebhookTable.disabled_at.is_(None))
    with session.no_autoflush:  # it reads nothing that this transaction may have changed
        rows = session.execute(statement.with_for_update(read=True, key_share=True))
        return [(id, events) for id, events in rows]
