"""Every failure of a request is one problem+json that says where, what and what to do."""

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError

from app.config import Settings
from app.main import create_app

MINIMAL = {"kind": "training", "dataset": "digits", "architecture": "mlp"}


def post(client, content, media_type="application/json"):
    return client.post("/v1/jobs", content=content, headers={"Content-Type": media_type})


@pytest.fixture
def client(shared_client):
    """Nothing that is refused changes anything."""
    return shared_client


class TestFields:
    @pytest.mark.parametrize(
        ("change", "pointer", "code"),
        [
            ({"epoch": 3}, "#/epoch", "unknown_field"),
            ({"optimizer": {"name": "sgd", "lr": 1}}, "#/optimizer/lr", "unknown_field"),
            ({"schedule": {"policy": "one_cycle", "max": 1}}, "#/schedule/max", "unknown_field"),
            ({"kind": "nope"}, "#/kind", "unknown_option"),
            ({"optimizer": {"name": "sgdd"}}, "#/optimizer/name", "unknown_option"),
            ({"optimizer": "sgdd"}, "#/optimizer", "unknown_option"),  # the body has no /optimizer/name
            ({"precision": "fp8"}, "#/precision", "unknown_option"),
            ({"optimizer": {"momentum": 0.9}}, "#/optimizer/name", "missing_field"),
            ({"architecture": {"width": 8}}, "#/architecture/name", "missing_field"),
            ({"dataset": {}}, "#/dataset", "invalid_value"),
            ({"schedule": {"policy": "one_cycle", "max_lr": -1}}, "#/schedule/max_lr", "out_of_range"),
            ({"schedule": {"policy": "step", "milestones": [0.5, 7]}}, "#/schedule/milestones/1", "out_of_range"),
            ({"schedule": {"policy": "step", "milestones": [0.5, 0.5]}}, "#/schedule/milestones", "invalid_value"),
            ({"epochs": 0}, "#/epochs", "out_of_range"),
            ({"epochs": 1.5}, "#/epochs", "wrong_type"),
            ({"epochs": True}, "#/epochs", "wrong_type"),
            ({"epochs": "3"}, "#/epochs", "wrong_type"),
            ({"seed": 10**40}, "#/seed", "out_of_range"),
            ({"validation": 2}, "#/validation", "out_of_range"),
            ({"priority": True}, "#/priority", "wrong_type"),
            ({"priority": "5"}, "#/priority", "wrong_type"),
            ({"priority": 101}, "#/priority", "out_of_range"),
            ({"max_attempts": 0}, "#/max_attempts", "out_of_range"),
            ({"name": ""}, "#/name", "too_short"),
            ({"name": "a\0b"}, "#/name", "invalid_value"),
            ({"tags": ["a", "\0"]}, "#/tags/1", "invalid_value"),
            ({"tags": ["x" * 51]}, "#/tags/0", "too_long"),
            ({"tags": ["x"] * 21}, "#/tags", "too_long"),
            ({"dataset": "a\0"}, "#/dataset", "invalid_value"),
            ({"dataset": {"name": "digits", "version": "a\0"}}, "#/dataset/version", "invalid_value"),
            ({"dataset": {"name": "digits", "version": "sha256:ff"}}, "#/dataset/version", "invalid_value"),
            ({"dataset": {"name": "digits", "version": "f" * 64}}, "#/dataset/version", "invalid_value"),
            ({"dataset": {"name": "digits", "version": "sha256:" + "F" * 64}}, "#/dataset/version", "invalid_value"),
        ],
    )
    def test_one_wrong_field(self, problem, client, change, pointer, code):
        body = problem(client.post("/v1/jobs", json=MINIMAL | change), 422)
        assert [(error["pointer"], error["code"]) for error in body["errors"]] == [(pointer, code)]
        assert body["code"] == code

    @pytest.mark.parametrize(
        ("text", "pointer"),
        [
            ('"epochs": NaN', "#/epochs"),
            ('"epochs": Infinity', "#/epochs"),
            ('"optimizer": {"name": "sgd", "weight_decay": 1e999}', "#/optimizer/weight_decay"),
            ('"schedule": {"policy": "constant", "max_lr": NaN}', "#/schedule/max_lr"),
            ('"schedule": {"policy": "one_cycle", "max_lr": -1e999}', "#/schedule/max_lr"),
        ],
    )
    def test_numbers_that_are_not_finite(self, problem, client, text, pointer):
        body = problem(post(client, json.dumps(MINIMAL)[:-1] + f", {text}}}"), 422)
        assert [(error["pointer"], error["code"]) for error in body["errors"]] == [(pointer, "not_finite")]

    def test_all_of_them_are_named(self, problem, client):
        body = problem(client.post("/v1/jobs", json={"kind": "range_test", "epochs": 3}), 422)
        assert body["code"] == "invalid_request"
        assert {(error["pointer"], error["code"]) for error in body["errors"]} == {
            ("#/dataset", "missing_field"),
            ("#/architecture", "missing_field"),
            ("#/epochs", "unknown_field"),  # a range test has none
        }

    @pytest.mark.parametrize("body", ["[]", "null", '"training"', "3"])
    def test_json_that_is_no_object(self, problem, client, body):
        assert problem(post(client, body), 422)["errors"][0]["pointer"] == "#"

    def test_a_job_without_its_kind(self, problem, client):
        errors = problem(post(client, "{}"), 422)["errors"]
        assert [(error["pointer"], error["code"]) for error in errors] == [("#/kind", "missing_field")]

    @pytest.mark.parametrize(
        ("query", "parameter", "code"),
        [
            ("limit=0", "limit", "out_of_range"),
            ("limit=201", "limit", "out_of_range"),
            ("limit=x", "limit", "wrong_type"),
            ("state=done", "state", "unknown_option"),
            ("state=queued&state=done", "state", "unknown_option"),
            ("kind=trainig", "kind", "unknown_option"),
            ("kind=training&kind=trainig", "kind", "unknown_option"),
            ("cursor=%3F", "cursor", "invalid_cursor"),
            ("status=running", "status", "unknown_parameter"),
            ("limit=5&x=&x=1", "x", "unknown_parameter"),
            ("State=running", "State", "unknown_parameter"),
            ("&".join(f"tag={number}" for number in range(21)), "tag", "too_long"),
            ("&".join(["state=queued"] * 21), "state", "too_long"),
            ("&".join(["kind=training"] * 21), "kind", "too_long"),
        ],
    )
    def test_query(self, problem, client, query, parameter, code):
        errors = problem(client.get(f"/v1/jobs?{query}"), 422)["errors"]
        assert [(error["parameter"], error["code"]) for error in errors] == [(parameter, code)]
        assert "pointer" not in errors[0]

    def test_a_kind_that_there_is_not_names_those_there_are(self, problem, client):
        [error] = problem(client.get("/v1/jobs?kind=trainig"), 422)["errors"]
        assert all(kind in error["detail"] for kind in ("range_test", "training", "tuning", "dataset_import"))

    def test_an_unknown_parameter_says_which_there_are(self, problem, client):
        body = problem(client.get("/v1/jobs?status=running"), 422)
        assert body["detail"] == "There is no query parameter 'status' here; did you mean 'state'?"
        assert body["hint"] == "It takes: cursor, kind, limit, parent_id, state, tag."


class TestBodies:
    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"1" * 5000, b"{'kind': 1}"])
    def test_malformed_json(self, problem, client, content):
        assert problem(post(client, content), 400)["code"] == "malformed_json"

    @pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
    @pytest.mark.parametrize("path", ["/v1/jobs", "/v1/schedules/preview"])
    def test_other_media_types(self, problem, client, path, media_type):
        response = client.post(path, content=json.dumps(MINIMAL), headers={"Content-Type": media_type})
        assert problem(response, 415)["code"] == "unsupported_media_type"

    def test_no_body(self, problem, client):
        assert problem(client.post("/v1/jobs"), 422)["errors"][0]["pointer"] == "#"

    @pytest.mark.parametrize("says_how_long", [True, False])
    def test_too_large(self, problem, client, says_how_long):
        text = json.dumps(MINIMAL | {"name": "x" * (1 << 20)}).encode()
        content = text if says_how_long else (text[start : start + 65536] for start in range(0, len(text), 65536))
        assert problem(post(client, content), 413)["code"] == "body_too_large"
        assert client.get("/v1/jobs").json()["items"] == []


class TestFramework:
    def test_no_such_place(self, problem, client):
        assert problem(client.get("/v1/nope"), 404)["code"] == "not_found"

    @pytest.mark.parametrize("path", ["/v1/jobs/a%00b", "/v1/datasets/%00", "/v1/jobs?tag=%00", "/v1/jobs?kind=x%00"])
    def test_nul_in_the_address(self, problem, client, path):
        assert problem(client.get(path), 422)["code"] == "invalid_value"


class TestUnforeseen:
    @pytest.fixture
    def lenient(self, client):
        return TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)

    def test_without_traceback(self, problem, lenient, monkeypatch, capsys):
        def fail(*_):
            raise RuntimeError("secret detail")

        monkeypatch.setattr("app.architectures.endpoints.architectures", fail)
        monkeypatch.setattr("app.problems.log.error", lambda event, **fields: print(event, fields))
        response = lenient.get("/v1/architectures", headers={"X-Request-ID": "mine"})
        body = problem(response, 500)
        assert body["code"] == "internal_error"
        assert body["request_id"] == "mine"
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert "'request_id': 'mine'" in capsys.readouterr().out  # the log has what the answer lacks


class TestDatabaseDown:
    @pytest.fixture
    def cut_off(self, tmp_path, queue, free_port):
        url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port}/none"
        settings = Settings(data_dir=tmp_path, database_url=url)
        with TestClient(create_app(settings, queue=queue), base_url="http://127.0.0.1") as client:
            yield client

    def test_submit_says_so_and_hints_at_nothing(self, problem, cut_off, queue):
        problem(cut_off.post("/v1/jobs", json=MINIMAL), 503)
        assert queue.hints == []

    def test_readiness_names_it(self, cut_off):
        response = cut_off.get("/readyz")
        parts = response.json()["parts"]
        assert response.status_code == 503
        assert {name for name, check in parts.items() if not check["ok"]} == {"database", "schema", "worker"}
        assert cut_off.get("/healthz").status_code == 200


class TestReadOnlyDatabase:
    """As PostgreSQL is behind a failover, while its address still leads to the old primary."""

    def test_what_writes_is_asked_to_come_again(self, problem, postgresql_settings, queue, in_process):
        url = f"{postgresql_settings.database_url}?options=-cdefault_transaction_read_only%3Don"
        settings = Settings(data_dir=postgresql_settings.data_dir, database_url=url)
        with in_process(settings, queue) as client:
            refused = client.post("/v1/jobs", json=MINIMAL)
            assert problem(refused, 503)["code"] == "database_unavailable"
            assert int(refused.headers["retry-after"]) > 0
            assert client.get("/v1/jobs").json()["items"] == []
        assert queue.hints == []


class TestSchemaBehind:
    """An operator who forgot to migrate reads what to do, not a traceback."""

    @pytest.fixture
    def expect(self, problem):
        def check(response):
            body = problem(response, 503)
            assert body["code"] == "schema_behind"
            assert "supercycle migrate" in body["hint"]
            assert int(response.headers["retry-after"]) > 0

        return check

    def test_no_tables_on_sqlite(self, expect, tmp_path, queue):
        with TestClient(create_app(Settings(data_dir=tmp_path), queue=queue), base_url="http://127.0.0.1") as bare:
            expect(bare.get("/v1/jobs"))
            expect(bare.post("/v1/jobs", json=MINIMAL | {"dataset": "mine"}))

    def test_no_tables_on_postgresql(self, expect, tmp_path, queue, postgresql_url):
        url = f"{postgresql_url}?options=-csearch_path%3Dnowhere"
        with TestClient(
            create_app(Settings(data_dir=tmp_path, database_url=url), queue=queue), base_url="http://127.0.0.1"
        ) as bare:
            expect(bare.get("/v1/jobs"))
            expect(bare.post("/v1/jobs", json=MINIMAL))

    def test_a_missing_column(self, expect, sqlite_settings, queue):
        with TestClient(create_app(sqlite_settings, queue=queue), base_url="http://127.0.0.1") as old:
            with old.app.state.parts.database.transaction() as session:
                session.execute(text("ALTER TABLE jobs DROP COLUMN source_id"))
            expect(old.get("/v1/jobs"))
            expect(old.post("/v1/jobs", json=MINIMAL))

    def test_another_mistake_in_sql_is_ours(self, problem, sqlite_settings, queue, monkeypatch):
        def fail(*_, **__):
            raise ProgrammingError("SELECT", {}, Exception("syntax error"))

        monkeypatch.setattr("app.jobs.listing.page", fail)
        app = create_app(sqlite_settings, queue=queue)
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
            assert problem(client.get("/v1/jobs"), 500)["code"] == "internal_error"


class TestNoRoom:
    def test_a_full_database(self, problem, sqlite_settings, queue):
        with TestClient(create_app(sqlite_settings, queue=queue), base_url="http://127.0.0.1") as full:
            database = full.app.state.parts.database

            def forbid_to_grow(connection, _):
                connection.execute("PRAGMA max_page_count=1").close()  # SQLite takes what it has now for less

            event.listen(database.engine, "connect", forbid_to_grow)
            database.dispose()
            answers = [full.post("/v1/jobs", json=MINIMAL | {"tags": ["x" * 50] * 20}) for _ in range(30)]
            refused = next(answer for answer in answers if answer.status_code != 202)
            assert problem(refused, 507)["code"] == "storage_full"
            assert len(queue.hints) == sum(answer.status_code == 202 for answer in answers)
