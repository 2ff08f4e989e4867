"""HTTP/1.1 as uvicorn reads it; what is none, or has a head without end, is refused with a problem like any other."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import HeadTooLarge, Malformed, ServiceError
from app.gate import as_response, request_id_for

MOST_HEAD_BYTES = 64 << 10  #: the address and all headers together

_ENDLESS = HeadTooLarge(
    "head_too_large",
    f"The address and the headers of a request have at most {MOST_HEAD_BYTES:,} bytes together.",
    "Send less in them; what is long belongs into the body.",
)
_NO_HTTP = Malformed("malformed_request", "This is no HTTP/1.1 request.", "See RFC 9112, or use an HTTP client.")


class Protocol(HttpToolsProtocol):
    """Uvicorn's, which has no bound of its own: a header that never ends would fill the memory, key or no key."""

    _pending_bytes = 0  #: read, and nothing has come of them yet

    def data_received(self, data: bytes) -> None:
        """Read on, unless a head, or what may follow a body like one, has gone on for too long."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(_ENDLESS)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._pending_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if self._pending_bytes > MOST_HEAD_BYTES:
            raise ValueError("the head is too large")  # ends the reading, see send_400_response
        self._pending_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Something of a body, which the endpoint takes or refuses."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._pending_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - says no more than the problem
        """The reading has failed."""
        self._refuse(_ENDLESS if self._pending_bytes > MOST_HEAD_BYTES else _NO_HTTP)

    def _refuse(self, error: ServiceError) -> None:
        answer = as_response(error, request_id_for(""))
        answer.headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in [*self.server_state.default_headers, *answer.raw_headers]]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
