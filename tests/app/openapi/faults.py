"""What may go wrong below the service, brought about where it would really happen."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, event

from app.artifacts.store import StoreUnavailable
from app.db.tables import WebhookTable
from app.ids import new_id
from app.webhooks.service import MOST_PER_OWNER
from tests.app.openapi.world import World

AWAY = ("unable to open database file", "SQLITE_CANTOPEN")
BEHIND = ("no such table: jobs", "SQLITE_ERROR")
FULL = ("database or disk is full", "SQLITE_FULL")
_READING = ("SELECT", "PRAGMA", "BEGIN")


@contextmanager
def database(world: World, fault: tuple[str, str] | None) -> Iterator[None]:
    """Every statement fails with this error of SQLite's, or in a way that nobody foresaw; a full disk lets read."""

    def fail(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        if fault is None:
            raise RuntimeError("unforeseen")
        error = sqlite3.OperationalError(fault[0])
        error.sqlite_errorname = fault[1]
        if fault is not FULL or not statement.lstrip().startswith(_READING):
            raise error

    engine = world.parts.database.engine
    world.parts.keyring._known.clear()  # a key that is remembered needs no database
    event.listen(engine, "do_execute", fail)
    try:
        yield
    finally:
        event.remove(engine, "do_execute", fail)


@contextmanager
def storage(world: World) -> Iterator[None]:
    """The artifact store does not answer."""

    def fail(key: str) -> bool:
        raise StoreUnavailable("The storage of files does not answer.", "See whether it runs and can be reached.")

    world.parts.store.exists = fail
    try:
        yield
    finally:
        del world.parts.store.exists


@contextmanager
def lost_files(world: World) -> Iterator[None]:
    """The artifact store has none of its files any more."""
    world.parts.store.exists = lambda key: False
    try:
        yield
    finally:
        del world.parts.store.exists


@contextmanager
def held_key(world: World, owner: str, key: str) -> Iterator[None]:
    """Another request is being worked on under this idempotency key."""
    with world.parts.in_flight.alone(owner, key):
        yield


@contextmanager
def no_more_waiting(world: World) -> Iterator[None]:
    """The owner has as many jobs waiting as may be."""
    world.parts.settings.max_waiting_per_owner = 1
    try:
        yield
    finally:
        world.parts.settings.max_waiting_per_owner = None


@contextmanager
def no_more_datasets(world: World) -> Iterator[None]:
    """The owner has as many data sets as may be."""
    world.parts.settings.max_datasets_per_owner = 1
    try:
        yield
    finally:
        world.parts.settings.max_datasets_per_owner = None


@contextmanager
def full_of_webhooks(world: World, owner: str) -> Iterator[None]:
    """The owner has as many webhooks as may be."""
    about = {"owner": owner, "url": "https://example.com/", "events": [], "secret": "", "created_at": datetime.now(UTC)}
    with world.parts.database.transaction() as session:
        rows = [WebhookTable(id=new_id("whk"), **about) for _ in range(MOST_PER_OWNER)]
        session.add_all(rows)
    try:
        yield
    finally:
        with world.parts.database.transaction() as session:
            session.execute(delete(WebhookTable).where(WebhookTable.id.in_([row.id for row in rows])))


@contextmanager
def no_broker(world: World) -> Iterator[None]:
    """The broker refuses connections."""
    world.queue.down = True
    try:
        yield
    finally:
        world.queue.down = False
