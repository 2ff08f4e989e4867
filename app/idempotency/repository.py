"""The answers that were given, by owner and Idempotency-Key, within the caller's transaction."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from app.db.tables import IdempotencyKeyTable

KEPT = timedelta(hours=24)


def find(session: Session, owner: str, key: str) -> IdempotencyKeyTable | None:
    """What was answered under this key, unless that is too long ago."""
    row = session.get(IdempotencyKeyTable, (owner, key))
    if row is not None and row.created_at < datetime.now(UTC) - KEPT:
        session.delete(row)
        session.flush()
        return None
    return row


def is_kept(session: Session, owner: str, key: str) -> bool:
    """Whether an answer is promised under this key; looks only."""
    row = session.get(IdempotencyKeyTable, (owner, key))
    return row is not None and row.created_at >= datetime.now(UTC) - KEPT


def is_taken(session: Session, owner: str, key: str) -> bool:
    """Whether another process works under this key; if not, it is ours until the transaction ends.

    SQLite has one writer at a time, and whoever waits for it then finds the answer.
    """
    if session.get_bind().dialect.name != "postgresql":
        return False
    ours = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
    return not session.scalar(ours, {"name": f"supercycle idempotency {owner} {key}"})


def forget_old(session: Session) -> None:
    """Remove what nobody is promised any more."""
    session.execute(delete(IdempotencyKeyTable).where(IdempotencyKeyTable.created_at < datetime.now(UTC) - KEPT))
