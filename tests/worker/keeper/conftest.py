"""A receiver of webhooks on loopback, as a user would write one: it verifies, and answers what the test says."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="

Answer = int | Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Arrival:
    """One request, and what the standard's own library made of it."""

    path: str
    headers: dict[str, str]
    body: bytes
    verified: Any


@dataclass
class Receiver:
    """Answers with each of `answers` in turn, then with the last one: a status, or a function of the request."""

    server: ThreadingHTTPServer
    answers: list[Answer] = field(default_factory=lambda: [204])
    arrived: list[Arrival] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"

    @property
    def port(self) -> int:
        return int(self.server.server_port)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?token=1"

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        headers = dict(request.headers)
        verified = Webhook(SECRET).verify(body, headers)  # raises, and nothing has arrived
        self.arrived.append(Arrival(request.path, headers, body, verified))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(request)
            return
        request.send_response(answer)
        request.send_header("Location", "/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def hang(self, request: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.released.wait(60)

    def busy(self, retry_after: str) -> Answer:
        """503, and when to come again."""

        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(503)
            request.send_header("Retry-After", retry_after)
            request.send_header("Content-Length", "0")
            request.end_headers()

        return answer

    def drip(self, request: BaseHTTPRequestHandler) -> None:
        """A byte of a header now and then, for ever."""
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.released.wait(0.02):
            request.wfile.write(b"x")

    def flood(self, request: BaseHTTPRequestHandler) -> None:
        """A body without an end."""
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self.released.is_set():
            request.wfile.write(b"x" * 65536)


@pytest.fixture
def start_receiver():
    """Start one; with a TLS context it speaks https."""
    started = []

    def start(tls=None):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.take(self)

            def log_message(self, *arguments):
                """Keep the test's output readable."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                """A sender that hangs up is what some tests are about."""

        server = Server(("127.0.0.1", 0), Handler)
        receiver = Receiver(server)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            receiver.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        started.append((receiver, thread))
        return receiver

    yield start
    for receiver, thread in started:
        receiver.released.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


@pytest.fixture
def receiver(start_receiver):
    return start_receiver()


@pytest.fixture
def secret():
    """What the receiver verifies with."""
    return SECRET
