"""The service keeps to its document, as far as a short run of schemathesis tells; `make verify` has a long one."""

import shutil

import pytest
from structlog.testing import capture_logs

from app.config import Settings
from app.main import create_app
from tests.app.openapi import bent
from tests.app.openapi.bent import Bent
from tests.app.openapi.conformance import checks, conform, is_beyond_a_schema
from tests.app.openapi.world import QuietQueue, populated

SHORT = {
    "generation": {"max-examples": 3, "deterministic": True, "database": "none"},
    "phases": {"stateful": {"generation": {"max-examples": 15}, "max-steps": 6}},
}
COVERAGE_ALONE = {"phases": {name: {"enabled": False} for name in ("examples", "fuzzing", "stateful")}}


@pytest.mark.timeout(300)  # it keeps a core busy for 20 seconds, longer where others do, too
def test_the_service_keeps_to_its_document(tmp_path, migrated_file, monkeypatch, operations):
    monkeypatch.setattr("app.http.LONGEST_WAIT_SECONDS", 0.05)
    with capture_logs(), populated(tmp_path / "data", migrated_file) as world:
        tokens = {name: world.tokens[name] for name in ("ann", "bob")}
        outcome = conform(world.client.app, tokens, folder=tmp_path, ids=world.named(), options=SHORT)
    assert outcome.failures == []
    assert operations.keys() - outcome.granted() == {"metrics"}  # which is an administrator's
    assert outcome.cases > 2000


def test_nothing_is_left_unchecked():
    assert len(checks()) == len(set(checks())) >= 14
    assert {"ignored_auth", "object_level_authorization", "use_after_free", "negative_data_rejection"} < set(checks())


FIELD = {"pointer": "#/epochs", "detail": "d", "code": "out_of_range"}
ARM = {"pointer": "#/arms/mine/epocs"}
PARAMETER = {"parameter": "Idempotency-Key", "detail": "d", "code": "invalid_value"}


class TestRefusals:
    """Which 422 of a valid request passes."""

    @pytest.mark.parametrize(
        ("operation", "code", "errors", "body", "passes"),
        [
            ("submit_job", "unknown_dataset", [FIELD], {"kind": "training"}, True),
            ("submit_job", "out_of_range", [FIELD], {"kind": "training"}, False),  # the schema has the bounds
            ("submit_job", "malformed", [], {"kind": "training"}, False),
            ("submit_job", "unknown_field", [ARM], {"kind": "comparison"}, True),  # a patch, of which no schema tells
            ("submit_job", "unknown_field", [ARM, FIELD], {"kind": "comparison"}, False),
            ("clone_job", "out_of_range", [FIELD], {"epochs": 0}, True),
            ("clone_job", "out_of_range", [FIELD], {}, False),  # nothing was to change
            ("clone_job", "out_of_range", [FIELD], None, False),
            ("clone_job", "invalid_value", [FIELD, PARAMETER], {"epochs": 0}, False),  # a key has a form of its own
            ("clone_job", "malformed", [], {"epochs": 0}, False),
            ("clone_job", "idempotency_mismatch", [PARAMETER], None, True),
            ("cancel_job", "idempotency_mismatch", [PARAMETER], None, True),
            ("cancel_job", "invalid_value", [PARAMETER], None, False),
        ],
    )
    def test_as_far_as_no_schema_says(self, operation, code, errors, body, passes):
        assert is_beyond_a_schema({"code": code, "errors": errors}, operation, "POST", body) == passes


class TestSelf:
    """A run that finds nothing must be one that would have found something."""

    @pytest.fixture
    def app(self, tmp_path, migrated_file):
        shutil.copy(migrated_file, tmp_path)
        return create_app(Settings(data_dir=tmp_path, api_key="key"), queue=QuietQueue(), may_be_open=False)

    @pytest.mark.parametrize(
        ("operation", "change", "check"),
        [
            ("get_architecture", {"answer": bent.status(200, 203)}, "status_code_conformance"),
            ("list_architectures", {"answer": bent.word(b'"items"', b'"thing"')}, "response_schema_conformance"),
            ("list_webhooks", {"answer": bent.status(200, 500)}, "not_a_server_error"),
            ("list_models", {"ask": bent.query(b"limit=0", b"limit=1")}, "negative_data_rejection"),
            ("list_models", {"ask": bent.query(b"limit=200", b"limit=201")}, "positive_data_acceptance"),
            ("list_jobs", {"ask": bent.key("key")}, "ignored_auth"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_fault_is_found(self, app, tmp_path, operation, change, check):
        bent_app = Bent(app, **change)
        outcome = conform(bent_app, {"admin": "key"}, folder=tmp_path, only=[operation], options=COVERAGE_ALONE)
        assert check in {failure.split(": ")[1] for failure in outcome.failures}

    def test_without_one_nothing_is_found(self, app, tmp_path):
        names = ["get_architecture", "list_architectures", "list_webhooks", "list_models", "list_jobs"]
        outcome = conform(Bent(app), {"admin": "key"}, folder=tmp_path, only=names, options=COVERAGE_ALONE)
        assert outcome.failures == []
        assert outcome.cases > 100
