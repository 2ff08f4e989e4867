"""A service with one thing about it bent, to see whether that is found."""

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Change = Callable[[Any], None]


class Bent:
    """Passes everything through to a real one; `ask` changes the request first, `answer` each message of the answer."""

    def __init__(self, app: ASGIApp, *, ask: Change = lambda _: None, answer: Change = lambda _: None) -> None:
        self._app = app
        self._ask = ask
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection; the document itself stays straight."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        self._ask(scope)

        async def send_bent(message: Message) -> None:
            self._answer(message)
            await send(message)

        await self._app(scope, receive, send_bent)


def status(given: int, instead: int) -> Change:
    """This status becomes that one."""

    def change(message: Message) -> None:
        if message.get("status") == given:
            message["status"] = instead

    return change


def word(given: bytes, instead: bytes) -> Change:
    """In bodies this becomes that, which is as long."""

    def change(message: Message) -> None:
        message["body"] = message.get("body", b"").replace(given, instead)

    return change


def query(given: bytes, instead: bytes) -> Change:
    """A query with this is heard as if it had that."""

    def change(scope: Scope) -> None:
        scope["query_string"] = scope["query_string"].replace(given, instead)

    return change


def key(token: str) -> Change:
    """Whatever key is shown, this is the one that counts."""

    def change(scope: Scope) -> None:
        others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
        scope["headers"] = [*others, (b"authorization", f"Bearer {token}".encode())]

    return change
