"""Webhooks straight in a database, and what was put into the outbox for them."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app.db.tables import WebhookDeliveryTable, WebhookTable
from app.ids import new_id
from app.webhooks.events import EVENT_TYPES


@pytest.fixture
def put_webhook(database):
    """A webhook in the database; returns its id."""

    def put(**columns):
        usual = {"id": new_id("whk"), "owner": "admin", "url": "https://example.com/", "events": list(EVENT_TYPES)}
        row = WebhookTable(**usual | {"secret": "whsec_" + "QUFB" * 8, "created_at": datetime.now(UTC)} | columns)
        with database.transaction() as session:
            session.add(row)
        return row.id

    return put


@pytest.fixture
def deliveries(database):
    """Every delivery there is, oldest first."""

    def read():
        with database.reading() as session:
            return list(session.scalars(select(WebhookDeliveryTable).order_by(WebhookDeliveryTable.id)))

    return read
