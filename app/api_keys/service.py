"""Make, list and revoke keys; an operator does so on the server, nobody over HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.api_keys.tokens import digest_of, new_token
from app.callers import Scope
from app.db.tables import ApiKeyTable
from app.ids import is_id, new_id

USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class NewKey:
    """A key as it is shown, once, and its row."""

    token: str
    row: ApiKeyTable


def create(
    session: Session,
    *,
    owner: str,
    scopes: Iterable[Scope],
    name: str | None = None,
    lifetime: timedelta | None = None,
) -> NewKey:
    """A new key of this owner; without a lifetime it is good until it is revoked."""
    now = datetime.now(UTC)
    id = new_id("key")
    token = new_token(id)
    row = ApiKeyTable(
        id=id,
        owner=owner,
        name=name,
        sha256=digest_of(token),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=now + lifetime if lifetime else None,
    )
    session.add(row)
    return NewKey(token, row)


def every(session: Session) -> list[ApiKeyTable]:
    """All keys there have been, oldest first."""
    return list(session.scalars(select(ApiKeyTable).order_by(ApiKeyTable.id)))


def revoke(session: Session, id: str) -> ApiKeyTable | None:
    """Make a key worthless at once and for good; None where there is none with this id."""
    row = session.get(ApiKeyTable, id) if is_id(id, "key") else None
    if row is not None and row.revoked_at is None:
        row.revoked_at = datetime.now(UTC)
    return row


def have_been_made(session: Session) -> bool:
    """Whether there is any key, good or not: then nobody gets in without one."""
    return bool(session.scalar(select(exists().where(ApiKeyTable.id.is_not(None)))))


def note_use(session: Session, id: str, *, now: datetime) -> None:
    """Remember that a key was used."""
    session.execute(update(ApiKeyTable).where(ApiKeyTable.id == id).values(last_used_at=now))


def is_good(row: ApiKeyTable, *, now: datetime) -> bool:
    """Whether a key still opens anything."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)
