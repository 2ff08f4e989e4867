"""The keys that this process is working under: a second request with one of them is told so at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Conflict

HEADER = "Idempotency-Key"
FORM = r"^[\x21-\x7e]{1,255}$"


class InFlight:
    """The keys that this process is working under."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str]] = set()
        self._changing = threading.Lock()

    @contextmanager
    def alone(self, owner: str, key: str) -> Iterator[None]:
        """Hold a key; raises Conflict where another request does."""
        with self._changing:
            if (owner, key) in self._keys:
                raise in_progress()
            self._keys.add((owner, key))
        try:
            yield
        finally:
            with self._changing:
                self._keys.discard((owner, key))


def in_progress() -> Conflict:
    """The answer to a request that came again too soon."""
    detail = f"A request with this {HEADER} is being worked on."
    return Conflict("idempotency_in_progress", detail, "Send it again in a moment.", retry_after_seconds=1)
