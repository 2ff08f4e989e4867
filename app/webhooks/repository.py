"""Webhooks and their deliveries in the database, within the caller's transaction."""

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.db.lists import newest_first, of_owner
from app.db.tables import WebhookDeliveryTable, WebhookTable
from app.db.types import database_now


class WebhookRepository:
    """Rows of webhooks and of what was to be delivered to them."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, row: WebhookTable) -> None:
        """Store a new one."""
        self.session.add(row)
        self.session.flush()

    def get(self, id: str, *, only: str | None) -> WebhookTable | None:
        """One by id, or None; with `only`, of this owner alone."""
        statement = select(WebhookTable).where(WebhookTable.id == id)
        return self.session.scalars(of_owner(statement, WebhookTable.owner, only)).one_or_none()

    def count(self, owner: str) -> int:
        """How many an owner has."""
        return self.session.scalar(select(func.count()).where(WebhookTable.owner == owner)) or 0

    def page(self, *, limit: int, before: str | None, only: str | None) -> list[WebhookTable]:
        """Newest first, older than the id `before`; with `only`, of this owner alone."""
        statement = of_owner(select(WebhookTable), WebhookTable.owner, only)
        return list(self.session.scalars(newest_first(statement, WebhookTable.id, limit=limit, before=before)))

    def delete(self, row: WebhookTable) -> None:
        """Forget one, with its deliveries."""
        self.session.execute(delete(WebhookTable).where(WebhookTable.id == row.id))

    def deliveries(self, webhook_id: str, *, limit: int, before: str | None) -> list[WebhookDeliveryTable]:
        """What was to be delivered to one, newest first, older than the id `before`."""
        statement = select(WebhookDeliveryTable).where(WebhookDeliveryTable.webhook_id == webhook_id)
        return list(self.session.scalars(newest_first(statement, WebhookDeliveryTable.id, limit=limit, before=before)))

    def lock_delivery(self, webhook_id: str, id: str) -> WebhookDeliveryTable | None:
        """One delivery to this webhook, that nobody claims until the transaction ends."""
        statement = select(WebhookDeliveryTable).where(
            WebhookDeliveryTable.id == id, WebhookDeliveryTable.webhook_id == webhook_id
        )
        return self.session.scalars(statement.with_for_update()).one_or_none()

    def count_by_state(self) -> dict[str, int]:
        """How many deliveries there are in each state; none of those that are a month old is kept."""
        counts = select(WebhookDeliveryTable.state, func.count()).group_by(WebhookDeliveryTable.state)
        return dict(self.session.execute(counts).all())

    def oldest_pending(self) -> datetime | None:
        """When the delivery came to be that has waited longest."""
        oldest = select(func.min(WebhookDeliveryTable.created_at)).where(WebhookDeliveryTable.state == "pending")
        return self.session.scalar(oldest)

    def put_first(self, row: WebhookDeliveryTable) -> None:
        """Make a locked delivery due now, as if it had not been tried; what is being sent of it is not noted."""
        values = {"state": "pending", "attempts": 0, "fence": row.fence + 1, "next_at": database_now()}
        statement = update(WebhookDeliveryTable).where(WebhookDeliveryTable.id == row.id)
        self.session.execute(statement.values(**values, delivered_at=None))
        self.session.refresh(row)
