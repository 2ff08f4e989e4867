"""Asks the service for everything it can answer and keeps what it said: the examples of the OpenAPI document.

A refusal that the service gives to every operation alike is asked of each, too, so that an operation declares what it
can really answer and nothing else.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import select
from structlog.testing import capture_logs

from app import protocol
from app.config import Settings
from app.db.tables import WebhookDeliveryTable
from app.gate import as_response
from app.main import create_app
from app.webhooks.events import EVENT_TYPES
from tests.app.openapi import faults
from tests.app.openapi.asks import ASKS, Ask
from tests.app.openapi.sample import sampled
from tests.app.openapi.world import OWNER, QuietQueue, World, packed, world

HEADERS = (
    "Accept-Ranges", "Allow", "Content-Disposition", "Content-Range", "ETag", "Idempotent-Replayed", "Link", "Location",
    "Preference-Applied", "Retry-After", "WWW-Authenticate", "X-Request-ID",
)  # fmt: skip
ASKED = ("If-None-Match", "If-Range", "Last-Event-ID", "Prefer", "Range", "X-Request-ID")
REQUEST_ID = {"X-Request-ID": "req_0198c0ffee"}
KEY = {"Idempotency-Key": "b6c2a7f0"}
OTHER_KEY = {"Idempotency-Key": "0d3e91c4"}
_JSON = {"Content-Type": "application/json"}
_PETS = packed({"cat/1.bmp": b"", "dog/1.bmp": b""})  # once: a zip has the time in it, and would differ when sent again


def record(folder: Path, migrated: Path) -> list[dict[str, Any]]:
    """Every exchange with a service below `folder`, on a copy of an empty, migrated SQLite database."""
    settings, open_settings = (_settings(folder / name, migrated) for name in ("closed", "open"))
    with capture_logs(), world(settings) as made:  # a log would show a traceback for each failure brought about
        recorder = Recorder(made)
        recorder.refuse_alike()
        recorder.ask_whether_changed()
        recorder.refuse_strangers(open_settings)
        for ask in ASKS:
            recorder.ask_twice(ask) if recorder.is_kept(ask) else recorder.ask(ask)
        recorder.cut_off_an_upload()
        recorder.refuse_what_is_no_request()
        recorder.add_webhooks()
        return sampled(recorder.exchanges, folder=str(made.folder))


def _settings(folder: Path, migrated: Path) -> Settings:
    folder.mkdir()
    shutil.copy(migrated, folder / "supercycle.db")
    return Settings(data_dir=folder, heartbeat_seconds=60)  # so long the one worker counts as alive


class Recorder:
    """Sends requests to one world and keeps what came of them."""

    def __init__(self, made: World) -> None:
        self.world = made
        self.exchanges: list[dict[str, Any]] = []
        routes = [route for route in iter_route_contexts(made.client.app.routes) if route.include_in_schema]
        self.places = {route.name: (*route.methods, route.path) for route in routes}
        self.places[""] = ("PUT", "{place}")
        deliveries = {"delivery": "webhook", "gone_delivery": "gone_webhook"}
        for name, webhook in deliveries.items():
            answer = self._send(Ask("list_deliveries", 200, path={"webhook_id": webhook}))
            made.ids[name] = answer.json()["items"][0]["id"]

    def ask(self, ask: Ask, under: AbstractContextManager[None] | None = None) -> None:
        """One request, which must be answered as foreseen."""
        with under or nullcontext():
            answer = self._send(ask)
        assert answer.status_code == ask.status, f"{ask}: {answer.status_code} {answer.text}"
        self.keep(ask, answer)

    def is_kept(self, ask: Ask) -> bool:
        """Whether it is the first example of what takes an Idempotency-Key."""
        takes_one = ask.operation in self.places and self.places[ask.operation][0] == "POST"
        return takes_one and ask.operation != "preview_schedule" and ask is _good(ask.operation)

    def ask_twice(self, ask: Ask) -> None:
        """Under a key of its own, so that the second answer is the first one again."""
        keyed = replace(ask, headers={"Idempotency-Key": f"twice-{ask.operation}"})
        for _ in range(2):
            self.ask(keyed)
        assert self.exchanges[-1]["body"] == self.exchanges[-2]["body"]

    def keep(self, ask: Ask, answer: httpx2.Response) -> None:
        """Note an exchange."""
        media_type = answer.headers["content-type"].partition(";")[0] if answer.content else ""
        body = self._filled(ask.body) if isinstance(ask.body, dict) else None
        self.exchanges.append(
            {
                "operation": ask.operation,
                "name": ask.name,
                "path": {name: self.world.ids.get(value, value) for name, value in ask.path.items()},
                "asked": [name for name in ASKED if name in REQUEST_ID | ask.headers],
                "request": body,
                "status": answer.status_code,
                "media_type": media_type,
                "headers": [name for name in HEADERS if name in answer.headers],
                "body": _shown(answer, media_type, ask.excerpt),
            }
        )

    def _send(self, ask: Ask, client: TestClient | None = None) -> httpx2.Response:
        method, template = self.places[ask.operation]
        path = template.format(**{name: self.world.ids.get(value, value) for name, value in ask.path.items()})
        headers = REQUEST_ID | (self.world.header(ask.by) if ask.by else {}) | ask.headers
        content: dict[str, Any] = {}
        if ask.form is not None:
            content = {"data": ask.form, "files": {"file": ("pets.zip", _PETS)}}
        elif ask.body is not None:
            text = ask.body if isinstance(ask.body, str) else json.dumps(self._filled(ask.body))
            content, headers = {"content": text}, _JSON | headers
        return (client or self.world.client).request(method, path, params=ask.query, headers=headers, **content)

    def _filled(self, body: dict[str, Any]) -> dict[str, Any]:
        return json.loads(json.dumps(body).replace("{folder}", str(self.world.folder)))

    def refuse_alike(self) -> None:
        """What every operation may answer, whatever it does: each is asked as for its first example."""
        for operation in filter(None, self.places):
            for ask, under in self._refusals(_good(operation)):
                self.ask(replace(ask, name=""), under)

    def _refusals(self, good: Ask) -> Iterator[tuple[Ask, AbstractContextManager[None] | None]]:
        method, path = self.places[good.operation]
        if good.operation not in ("live", "ready"):
            yield replace(good, status=401, by=""), None
            yield replace(good, status=500), faults.database(self.world, None)
            for error in (faults.AWAY, faults.BEHIND):
                yield replace(good, status=503), faults.database(self.world, error)
        if path.startswith("/v1/"):
            yield from self._refused_at_v1(good, method)
        else:
            yield replace(good, status=422, query={"name": "\0"}), None
        if good.operation == "ready":
            yield replace(good, status=503, name="down"), faults.no_broker(self.world)

    def _refused_at_v1(self, good: Ask, method: str) -> Iterator[tuple[Ask, AbstractContextManager[None] | None]]:
        needs_read = method == "GET" or good.operation == "preview_schedule"
        yield replace(good, status=403, by="writer" if needs_read else "reader"), None
        yield replace(good, status=422, query={"verbose": "true"}), None
        if good.operation in ("get_artifact", "get_plot", "get_model_file", "get_preview"):
            yield replace(good, status=503), faults.storage(self.world)
            yield replace(good, status=404), faults.lost_files(self.world)
        if method != "GET" and good.operation != "preview_schedule":
            yield replace(good, status=507), faults.database(self.world, faults.FULL)
        if method == "POST":
            yield from self._refused_bodies(good)
        if good.operation == "add_webhook":
            yield replace(good, status=409), faults.full_of_webhooks(self.world, OWNER)
        if good.operation == "add_dataset":
            yield replace(good, status=409), faults.no_more_datasets(self.world)
        if method == "POST" and good.operation != "preview_schedule":
            yield from self._refused_keys(good)

    def _refused_bodies(self, good: Ask) -> Iterator[tuple[Ask, None]]:
        large = '"' + "x" * self.world.parts.settings.max_body_bytes + '"'
        by = "operator" if good.operation == "add_dataset" else good.by
        yield replace(good, status=413, form=None, body=large, headers=KEY, by=by), None
        if good.body is None and good.form is None and good.operation != "clone_job":
            return
        yield replace(good, status=400, form=None, body="{", by=by), None
        yield replace(good, status=415, form=None, body="text", headers={"Content-Type": "text/plain"}), None

    def _refused_keys(self, good: Ask) -> Iterator[tuple[Ask, AbstractContextManager[None] | None]]:
        yield replace(good, status=422, headers={"Idempotency-Key": "two words"}), None
        yield replace(good, status=409, headers=KEY), faults.held_key(self.world, OWNER, KEY["Idempotency-Key"])
        self._send(Ask("pause_job", 200, path={"job_id": "paused"}, headers=OTHER_KEY))
        yield replace(good, status=422, headers=OTHER_KEY), None
        if good.operation in ("submit_job", "resume_job", "retry_job", "clone_job"):
            yield replace(good, status=429), faults.no_more_waiting(self.world)

    def cut_off_an_upload(self) -> None:
        """Its sender goes away before the end, as no client of a test does; nobody hears what is answered."""
        received = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}, {"type": "http.disconnect"}]
        sent: list[dict[str, Any]] = []
        headers = self.world.header(OWNER) | {"Content-Type": "multipart/form-data; boundary=x"} | REQUEST_ID
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        address = {"method": "POST", "path": "/v1/datasets", "query_string": b"", "headers": raw}

        async def receive() -> dict[str, Any]:
            return received.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        portal = self.world.client.portal
        portal.call(self.world.client.app, {"type": "http", **address, "http_version": "1.1"}, receive, send)
        answer = httpx2.Response(sent[0]["status"], headers=sent[0]["headers"], content=sent[1]["body"])
        self.keep(Ask("add_dataset", 422), answer)

    def refuse_what_is_no_request(self) -> None:
        """What is said to who speaks no HTTP, before there is a request to any operation."""
        for error in (protocol._ENDLESS, protocol._NO_HTTP):
            answer = as_response(error, REQUEST_ID["X-Request-ID"])
            self.keep(Ask("", error.status), httpx2.Response(error.status, headers=answer.headers, content=answer.body))

    def add_webhooks(self) -> None:
        """What was put into the outbox, one event of each type."""
        with self.world.parts.database.reading() as session:
            rows = session.scalars(select(WebhookDeliveryTable).order_by(WebhookDeliveryTable.id))
            bodies = {row.type: json.loads(row.payload) for row in rows}
        assert bodies.keys() == set(EVENT_TYPES)
        self.exchanges += [{"operation": "webhook", "name": event, "body": bodies[event]} for event in EVENT_TYPES]

    def ask_whether_changed(self) -> None:
        """What every operation that reads answers to who has seen it."""
        for operation, (method, path) in self.places.items():
            if method == "GET" and path.startswith("/v1/"):
                good = _good(operation)
                self.ask(replace(good, status=304, name="unchanged", headers={"If-None-Match": "*"}))

    def refuse_strangers(self, settings: Settings) -> None:
        """What a service without keys refuses: other hosts, and changes that come from web pages elsewhere."""
        app = create_app(settings, queue=QuietQueue())
        with TestClient(app, base_url="http://127.0.0.1") as client:
            for operation in filter(None, self.places):
                good, (method, _) = _good(operation), self.places[operation]
                asks = [replace(good, status=403, by="", headers={"Host": "example.com"})]
                if method != "GET":
                    asks.append(replace(good, status=403, by="", headers={"Origin": "https://example.com"}))
                for ask in asks:
                    answer = self._send(ask, client)
                    assert answer.status_code == 403, answer.text
                    self.keep(replace(ask, name=""), answer)


def _good(operation: str) -> Ask:
    """Its first request that is granted."""
    return next(ask for ask in ASKS if ask.operation == operation and ask.status < 400)


def _shown(answer: httpx2.Response, media_type: str, excerpt: str) -> Any:
    """The body as an example; of what is no text none."""
    if media_type.endswith("json"):
        body = answer.json()
        return body | {"items": body["items"][:2]} if len(body.get("items", [])) > 10 else body
    if not media_type.startswith("text/"):
        return None
    lines = answer.text.splitlines(keepends=True)
    return "".join(line for line in lines if excerpt in line)
