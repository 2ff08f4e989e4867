"""Keys that were shown for what stays open: looked at again, so that a stream does not outlive its key."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import structlog

from app.api_keys.keyring import Keyring
from app.db.session import DATABASE_DOWN
from app.errors import Unauthorized

log = structlog.get_logger()

# With two seconds of the keyring's memory and one between two polls of the watcher, a lost key is out within four.
CHECK_EVERY_SECONDS = 1.0


@dataclass
class Held:
    """One key, for all that is open by it."""

    holders: int = 0
    is_lost: bool = False  #: it was revoked or has expired; for an open service, that it no longer is one


class HeldKeys:
    """One checker per process looks at each key once, however many listeners hold it; only while somebody does."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._held: dict[str, Held] = {}  #: by Authorization header
        self._checker: asyncio.Task[None] | None = None

    @contextmanager
    def hold(self, authorization: str) -> Iterator[Held]:
        """What becomes of the key in this header, which let its sender in, while the block lasts."""
        held = self._held.setdefault(authorization, Held())
        held.holders += 1
        if self._checker is None or self._checker.done():
            self._checker = asyncio.create_task(self._check())
        try:
            yield held
        finally:
            held.holders -= 1
            if not held.holders:
                del self._held[authorization]

    async def close(self) -> None:
        """Stop checking."""
        if self._checker is not None:
            self._checker.cancel()
            with suppress(asyncio.CancelledError):
                await self._checker

    async def _check(self) -> None:
        while self._held:
            await asyncio.sleep(CHECK_EVERY_SECONDS)
            try:
                for authorization, held in list(self._held.items()):
                    held.is_lost = held.is_lost or not await self._is_good(authorization)
                    await asyncio.sleep(0)  # others want their turn
            except DATABASE_DOWN as error:  # nothing is known of the keys, and nothing new can be told anybody
                log.warning("the keys of open streams cannot be read", error=str(error))

    async def _is_good(self, authorization: str) -> bool:
        try:
            await self._keyring.caller_of(authorization)
        except Unauthorized:
            return False
        return True
