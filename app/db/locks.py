"""Locks that stand for no row: whoever counts before adding takes one, or two who count at once both find room."""

from sqlalchemy import text
from sqlalchemy.orm import Session


def lock_owner(session: Session, owner: str, *, adding: str) -> None:
    """Let nobody else add such a thing for this owner until the transaction ends; SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        ours = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
        session.execute(ours, {"name": f"supercycle {adding} {owner}"})
