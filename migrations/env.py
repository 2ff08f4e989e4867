"""Runs migrations over the connection that app.db.migrate hands over; never by a URL of its own."""

from alembic import context

from app.db.tables import Base
from app.db.types import Timestamp


def render_item(kind: str, item: object, _autogenerate: object) -> str | bool:
    """A migration says what lies in the database, not which Python type reads it today."""
    return "sa.Double()" if kind == "type" and isinstance(item, Timestamp) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,
    render_item=render_item,
)
with context.begin_transaction():
    context.run_migrations()
