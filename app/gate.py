"""What every request passes before any endpoint: a request id, the right host and origin, safe headers.

What takes a GET takes a HEAD: it is answered like one, without the body.
"""

import re
from collections.abc import Callable

import structlog
import uuid_utils
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Forbidden, ServiceError, TooLarge, Unprocessable
from app.network import is_loopback_host
from app.problems import MEDIA_TYPE

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SAFE_METHODS = ("GET", "OPTIONS")


class Gate:
    """ASGI middleware around all others.

    While it `is_open` no key guards the service, so what a browser sends on behalf of a web page elsewhere is
    refused: a foreign Host (DNS rebinding), and a change that comes from a foreign origin (a form needs no preflight).
    """

    def __init__(self, app: ASGIApp, *, is_open: Callable[[], bool]) -> None:
        self.app = app
        self.is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = _as_get(scope), _without_body(send)
        headers = Headers(scope=scope)
        request_id = request_id_for(headers.get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _mark(MutableHeaders(scope=message), request_id)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await as_response(refusal, request_id)(scope, receive, send_with_headers)
            return
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, _Sender(scope, receive, send_with_headers, request_id))

    def _refusal(self, scope: Scope, headers: Headers) -> ServiceError | None:
        host = headers.get("host", "")
        if not is_loopback_host(host) and self.is_open():
            detail = f"Without an API key this service answers to loopback names only, not to {host[:100]!r}."
            hint = "Use http://127.0.0.1, or set SUPERCYCLE_API_KEY on the server."
            return Forbidden("host_not_allowed", detail, hint)
        if scope["method"] not in _SAFE_METHODS and _is_from_elsewhere(headers) and self.is_open():
            detail = "Without an API key this service takes no changes from web pages of other hosts."
            hint = "Send it from a program or from a page on this machine, or set SUPERCYCLE_API_KEY on the server."
            return Forbidden("origin_not_allowed", detail, hint)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # PostgreSQL cannot even look for it
            return Unprocessable("invalid_value", "The address contains a NUL character.", "Leave it out.")
        return None


class _Sender:
    """Passes an answer on; the framework's own for a body that is too large, a bare text, becomes a problem."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 413:
            self._replaced = MutableHeaders(scope=message)["content-type"] != MEDIA_TYPE
            if self._replaced:
                error = TooLarge("body_too_large", "The body is larger than this endpoint takes.", "Send less.")
                await as_response(error, self._request_id)(self._scope, self._receive, self._send)
        if not self._replaced:
            await self._send(message)


def _as_get(scope: Scope) -> Scope:
    """What a HEAD asks about. It has no ranges (RFC 9110, 14.2)."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"range"]
    return {**scope, "method": "GET", "headers": headers}


def _without_body(send: Send) -> Send:
    """Ends an answer with its head, so that a server tells what streams the body that nobody listens."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


def _is_from_elsewhere(headers: Headers) -> bool:
    """Whether a browser says so; programs send neither header. The origin of a sandboxed page is `null`."""
    origin = headers.get("origin")
    is_foreign = origin is not None and not is_loopback_host(origin.partition("://")[2])
    return is_foreign or headers.get("sec-fetch-site") == "cross-site"


def request_id_for(offered: str) -> str:
    """The id that a request brings, if it has the form of one, or a new one."""
    return offered if _REQUEST_ID.fullmatch(offered) else f"req_{uuid_utils.uuid7().hex}"


def as_response(error: ServiceError, request_id: str) -> JSONResponse:
    """A refusal as it is sent, by whoever has no request to answer yet."""
    response = JSONResponse(error.problem(request_id), error.status, media_type=MEDIA_TYPE)
    _mark(response.headers, request_id)
    return response


def _mark(headers: MutableHeaders, request_id: str) -> None:
    """What every answer carries."""
    headers["X-Request-ID"] = request_id
    headers["X-Content-Type-Options"] = "nosniff"
    # What one caller may see is nobody else's, and may have changed when it is asked for again.
    headers.setdefault("Cache-Control", "private, no-cache")
