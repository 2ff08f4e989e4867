"""A receiver of webhooks on loopback, as a user would write one; and sets of small pictures with their checks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from standardwebhooks import Webhook

from worker.keeper.check import Request, check_dataset
from worker.keeper.imports import Verdict

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


def picture(seed, *, size=(6, 4), mode="L"):
    """One like no other."""
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    file = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def make_unlike():
    """Makes a PNG of noise, another one for each seed."""
    return picture


@pytest.fixture
def of_classes():
    """Makes so many pictures of each class, no two alike: `{"cat/0.png": bytes}`."""

    def make(prefix="", **sizes):
        names = [(kind, number) for kind, size in sizes.items() for number in range(size)]
        start = sum(prefix.encode())
        return {f"{prefix}{kind}/{number}.png": picture(start * 1000 + at) for at, (kind, number) in enumerate(names)}

    return make


@pytest.fixture
def balanced(of_classes):
    """Twenty of each of two classes, without a split."""
    return of_classes(cat=20, dog=20)


@pytest.fixture
def with_test(of_classes):
    """The same with five test images."""
    return of_classes("train/", cat=20, dog=20) | of_classes("test/", cat=3, dog=2)


@pytest.fixture
def checked(tmp_path):
    """The verdict on files below a new folder, in the form that the keeper demands."""

    def check(files, **asked):
        for path, data in files.items():
            target = tmp_path / "set" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        found = check_dataset(Request(str(tmp_path / "set"), None, cpu_seconds=60, **asked))
        return Verdict.model_validate(found).model_dump()

    return check


@pytest.fixture
def warning():
    """The words of the one warning with this code."""

    def find(verdict, code):
        (line,) = [line for line in verdict["report"]["warnings"] if line["code"] == code]
        assert line["hint"]
        return line["detail"]

    return find
