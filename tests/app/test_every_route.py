"""What every route refuses, and how: each one is asked, so that a new one cannot be forgotten."""

import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from app.config import Settings
from app.ids import new_id
from app.main import create_app

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "NONSENSE"}
MINE = {"X-Request-ID": "mine"}
KINDS = {"job_id": "job", "model_id": "mdl", "id_or_name": "ds", "webhook_id": "whk", "delivery_id": "dlv"}
NOBODYS = {name: new_id(kind) for name, kind in KINDS.items()} | {"name": "x.png"}
#: A body that each operation takes which needs one.
BODIES = {
    "POST /v1/jobs": {"kind": "training", "dataset": "mine", "architecture": "mlp"},
    "POST /v1/webhooks": {"url": "https://example.com/"},
    "POST /v1/schedules/preview": {"schedule": {"policy": "constant", "max_lr": 1}, "steps": 10},
}
#: What needs no database, and what says in its own way that it is away.
FREE = {"GET /v1/architectures", "GET /v1/architectures/{name}", "POST /v1/schedules/preview", "GET /healthz"}
OWN_ANSWER = {"GET /readyz"}


def operations(client):
    """Every operation by method and path, as the document has them."""
    paths = client.app.openapi()["paths"]
    return {f"{method.upper()} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def address(operation, **ids):
    """Where an operation is asked for; of things that never were, unless these are given."""
    return operation.split()[1].format(**NOBODYS | ids)


def ask(client, operation, **options):
    method, _ = operation.split()
    return client.request(method, address(operation), headers=MINE, **options)


def whole(client, operation):
    """The operation with all that it needs."""
    if operation == "POST /v1/datasets":
        return ask(client, operation, data={"name": "pets"}, files={"file": ("a.zip", b"PK")})
    return ask(client, operation, json=BODIES.get(operation))


@pytest.fixture
def refusal(problem):
    """Checks a problem of this status and code; and that it is known by the id that the request came with."""

    def check(response, status, code, about):
        body = problem(response, status)
        assert (body["code"], body["request_id"]) == (code, "mine"), about
        return body

    return check


class TestMethods:
    def test_others_are_refused_and_those_there_are_named(self, shared_client, refusal):
        taken = {}
        for operation in [*operations(shared_client), "GET /docs", "GET /openapi.json"]:
            method, path = operation.split()
            taken.setdefault(path, set()).update({method, "HEAD"} if method == "GET" else {method})
        for path, methods in taken.items():
            for method in METHODS - methods:
                response = ask(shared_client, f"{method} {path}")
                refusal(response, 405, "method_not_allowed", (method, path))
                assert set(response.headers["allow"].split(", ")) == methods, (method, path)


class TestPlaces:
    @pytest.mark.parametrize("id", ["x", "job_1", "%F0%9F%98%80", "..%2Fx", "a" * 5000, *KINDS.values()])
    def test_what_is_no_id_names_nothing(self, shared_client, refusal, id):
        for operation in self.with_ids(shared_client):
            path = re.sub(r"{\w+}", id, operation)
            response = ask(shared_client, path)
            assert response.status_code == 404, operation
            refusal(response, 404, response.json()["code"], operation)

    def test_what_never_was(self, shared_client, refusal):
        for operation in self.with_ids(shared_client):
            response = whole(shared_client, operation)
            refusal(response, 404, response.json()["code"], operation)
            assert response.json()["code"].startswith("unknown_"), operation

    def with_ids(self, client):
        return [operation for operation in operations(client) if "{" in operation]


class TestParameters:
    def test_one_that_it_does_not_know(self, shared_client, refusal):
        for operation in operations(shared_client):
            if "/v1/" in operation:
                body = refusal(ask(shared_client, f"{operation}?dry_run=true"), 422, "unknown_parameter", operation)
                assert [error["parameter"] for error in body["errors"]] == ["dry_run"], operation

    def test_those_it_knows_out_of_bounds(self, shared_client, refusal):
        """Numbers below their least, and words where numbers belong."""
        for operation, found in operations(shared_client).items():
            for parameter in found.get("parameters", []):
                if parameter.get("in") == "query" and parameter["schema"].get("type") == "integer":
                    for value, code in (("-1", "out_of_range"), ("x", "wrong_type"), ("", "wrong_type")):
                        response = ask(shared_client, f"{operation}?{parameter['name']}={value}")
                        refusal(response, 422, code, (operation, parameter["name"], value))


class TestBodies:
    @pytest.fixture
    def with_body(self, shared_client):
        """Every operation that takes JSON, and what sends it."""
        found = [name for name, about in operations(shared_client).items() if "requestBody" in about]
        assert set(BODIES) <= set(found)

        def send(operation, content, media_type="application/json"):
            method, _ = operation.split()
            headers = MINE | {"Content-Type": media_type}
            return shared_client.request(method, address(operation), content=content, headers=headers)

        return {operation: lambda *body, operation=operation: send(operation, *body) for operation in found}

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"{'kind': 1}", b"NaN,"])
    def test_malformed_json(self, with_body, refusal, content):
        for operation, send in with_body.items():
            refusal(send(content), 400, "malformed_json", operation)

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", "json"])
    def test_another_media_type(self, with_body, refusal, media_type):
        for operation, send in with_body.items():
            refusal(send(b"{}", media_type), 415, "unsupported_media_type", operation)

    @pytest.mark.parametrize("content", [b"[]", b"3", b'"x"', b"true"])
    def test_json_of_another_kind(self, with_body, refusal, content):
        for operation, send in with_body.items():
            response = send(content)
            body = refusal(response, 422, response.json()["code"], operation)
            assert body["errors"][0]["pointer"] == "#", operation

    @pytest.mark.parametrize("says_how_long", [True, False])
    def test_too_large(self, with_body, refusal, says_how_long):
        text = b'{"name": "' + b"x" * (1 << 20) + b'"}'
        for operation, send in with_body.items():
            content = text if says_how_long else iter([text[: 1 << 19], text[1 << 19 :]])
            refusal(send(content), 413, "body_too_large", operation)


class TestFailures:
    def test_one_that_was_not_foreseen(self, sqlite_settings, queue, refusal, monkeypatch):
        app = create_app(sqlite_settings, queue=queue)

        class Broken:
            dispose = app.state.parts.database.dispose

            def __getattr__(self, name):
                raise RuntimeError("secret detail")

        monkeypatch.setattr("app.problems.log.error", lambda *_, **__: None)
        app.state.parts = replace(app.state.parts, database=Broken())
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            for operation in operations(client).keys() - FREE:
                response = whole(client, operation)
                refusal(response, 500, "internal_error", operation)
                assert "secret" not in response.text

    def test_the_database_is_away(self, tmp_path, queue, refusal, free_port):
        url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port}/none"
        app = create_app(Settings(data_dir=tmp_path, database_url=url), queue=queue)
        with TestClient(app, base_url="http://127.0.0.1") as client:
            for operation in operations(client).keys() - FREE - OWN_ANSWER:
                response = whole(client, operation)
                refusal(response, 503, "database_unavailable", operation)
                assert int(response.headers["retry-after"]) >= 1, operation
                assert "nobody" not in response.text, operation
            for operation in FREE:
                response = ask(client, operation.format(name="mlp"), json=BODIES.get(operation))
                assert response.status_code == 200, operation
