"""A small real HTTP server with canned answers, in the shapes of the service."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from supercycle import Client

JOB_ID = "job_01h2xcejqtf2nbrexx3vqjhp41"


@dataclass
class Answer:
    """One canned answer; `cut` breaks the connection that many bytes before the body is complete."""

    body: object = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """What the client sent."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class FakeService:
    """Answers by method and path: a list is used up one by one and its last answer repeats; a function is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer] | Callable[[Request], Answer]] = {}
        self.requests: list[Request] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self.answers.get(f"{request.method} {request.path}")
        if found is None:
            problem = {"title": "Not found", "status": 404, "code": "not_found", "detail": f"no {request.path}"}
            return Answer(problem, 404)
        if callable(found):
            return found(request)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found

    def sent(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                address = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, address.path, parse_qs(address.query), dict(self.headers), body)
                answer = service.answer(request)
                content = answer.content()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + answer.cut))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *arguments) -> None:
                """Keep the test's output readable."""

        return Handler


@pytest.fixture
def service():
    fake = FakeService()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join()


@pytest.fixture
def client(service):
    with Client(service.url, patience=2) as one:
        yield one


@pytest.fixture
def canned():
    """Makes canned answers: canned(body, status=…, headers=…, cut=…)."""
    return Answer


@pytest.fixture
def job_body():
    """Makes a job as the service shows it, with changes."""

    def make(**changes):
        return {
            "id": JOB_ID,
            "kind": "training",
            "name": None,
            "tags": [],
            "state": "running",
            "phase": "training",
            "progress": {"step": 4, "steps": 8, "epoch": 1, "epochs": 2, "fraction": 0.5, "eta_seconds": 1.0},
            "spec": {
                "kind": "training",
                "dataset": {"name": "digits"},
                "architecture": {"name": "resnet9"},
                "epochs": 2,
            },
            "resolved": {},
            "result": None,
            "error": None,
            "model_id": None,
            "attempts": 1,
            "worker": "host:0",
            "created_at": "2026-01-01T00:00:00Z",
            "started_at": "2026-01-01T00:00:01Z",
            "finished_at": None,
            "links": {"self": f"/v1/jobs/{JOB_ID}", "plots": {}},
            **changes,
        }

    return make


@pytest.fixture
def event_stream(canned):
    """Makes a text/event-stream answer of (seq, type, data), as the service writes it."""

    def make(*events, cut=0):
        text = ": hello\n\n"
        for seq, kind, data in events:
            body = {"seq": seq, "type": kind, "time": "2026-01-01T00:00:00+00:00", "attempt": 1, "data": data}
            text += f"id: {seq}\nevent: {kind}\ndata: {json.dumps(body)}\n\n"
        if cut:
            text += 'id: 99\nevent: steps\ndata: {"seq": 9'
        return canned(text.encode(), headers={"Content-Type": "text/event-stream"}, cut=cut)

    return make
