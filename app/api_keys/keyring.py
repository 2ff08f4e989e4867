"""Tells who shows a key, from a memory of two seconds, so that not every request reads the database."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from fastapi.concurrency import run_in_threadpool
from pydantic import SecretStr

from app.api_keys.service import USE_NOTED_EVERY, have_been_made, is_good, note_use
from app.api_keys.tokens import digest_of, is_same, key_id_of
from app.callers import Caller, Scope, administrator
from app.db.session import DATABASE_DOWN, Database
from app.db.tables import ApiKeyTable
from app.errors import Unauthorized

log = structlog.get_logger()

REMEMBERED_SECONDS = 2.0  #: a revoked key stops working within this time
MOST_REMEMBERED = 10_000


@dataclass(frozen=True)
class _Known:
    caller: Caller
    until: float  #: on the monotonic clock


class Keyring:
    """The keys of one API process: the operator's own from the settings, and those in the database.

    `may_be_open` says whether the service listens where only this machine reaches it: then it needs no key, as long
    as none was ever made.
    """

    def __init__(
        self,
        database: Database,
        *,
        admin_key: SecretStr | None,
        may_be_open: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._admin_key = admin_key.get_secret_value() if admin_key else None
        self._may_be_open = may_be_open and admin_key is None
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._looked_until = 0.0

    def is_open(self) -> bool:
        """Whether anybody may call. Once a key was made, never again; without the database, as far as is known."""
        if self._may_be_open and self._clock() >= self._looked_until:
            try:
                with self._database.reading() as session:
                    self._may_be_open = not have_been_made(session)
                self._looked_until = self._clock() + REMEMBERED_SECONDS
            except DATABASE_DOWN as error:
                log.warning("the keys cannot be read", error=str(error))
        return self._may_be_open

    async def caller_of(self, authorization: str) -> Caller:
        """Who sent this Authorization header; raises Unauthorized, the same for every reason."""
        if self.is_open():
            return administrator()
        scheme, _, shown = authorization.partition(" ")
        token = shown.strip()
        if scheme.lower() != "bearer":
            raise _refusal()
        if self._admin_key is not None and is_same(token, self._admin_key):
            return administrator()
        return await self._stored(token)

    async def _stored(self, token: str) -> Caller:
        digest, now = digest_of(token), self._clock()
        known = self._known.get(digest)
        if known is None or known.until <= now:
            known = _Known(await self._look_up(token, digest), now + REMEMBERED_SECONDS)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        return known.caller

    async def _look_up(self, token: str, digest: str) -> Caller:
        id, now = key_id_of(token), datetime.now(UTC)
        with self._database.reading() as session:
            row = session.get(ApiKeyTable, id) if id else None
        if row is None or not is_same(row.sha256, digest) or not is_good(row, now=now):
            self._known.pop(digest, None)
            raise _refusal()
        if row.last_used_at is None or now - row.last_used_at > USE_NOTED_EVERY:
            await run_in_threadpool(self._note_use, row.id, now)
        return Caller(row.owner, frozenset(Scope(scope) for scope in row.scopes), row.id)

    def _note_use(self, id: str, now: datetime) -> None:
        """In a thread: a write may have to wait for others."""
        try:
            with self._database.transaction() as session:
                note_use(session, id, now=now)
        except DATABASE_DOWN as error:  # a request that only reads goes through
            log.warning("the use of a key could not be noted", key_id=id, error=str(error))


def _refusal() -> Unauthorized:
    hint = "Send it as 'Authorization: Bearer <key>'."
    return Unauthorized("unauthorized", "The API key is missing or not valid.", hint)
