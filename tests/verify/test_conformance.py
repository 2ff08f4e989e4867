"""The service keeps to its document, as far as a long run of schemathesis tells: random requests, and chains."""

import pytest
from structlog.testing import capture_logs

from tests.app.openapi.conformance import conform
from tests.app.openapi.world import populated

pytestmark = pytest.mark.verify


def options(examples, **more):
    """The same requests every time: so many to each operation, and as many chains."""
    drawn = {"max-examples": examples, "deterministic": True, "database": "none"}
    return {"generation": drawn, "phases": {"stateful": {"max-steps": 12}}} | more


@pytest.fixture
def world(tmp_path, migrated_file, monkeypatch):
    monkeypatch.setattr("app.http.LONGEST_WAIT_SECONDS", 0.05)
    with capture_logs(), populated(tmp_path / "data", migrated_file) as world:
        yield world


def run(world, folder, *names, **more):
    tokens = {name: world.tokens[name] for name in names}
    return conform(world.client.app, tokens, folder=folder, ids=world.named(), **more)


def test_an_owner_and_another(world, tmp_path):
    outcome = run(world, tmp_path, "ann", "bob", options=options(300))
    assert outcome.failures == []
    assert outcome.cases > 10_000
    assert len(outcome.links) > 50


def test_an_administrator(world, tmp_path):
    outcome = run(world, tmp_path, "operator", options=options(100))
    assert outcome.failures == []


@pytest.mark.parametrize(
    ("operation", "media_type"), [("list_events", "text/event-stream"), ("get_metrics", "text/csv")]
)
def test_other_media_types(world, tmp_path, operation, media_type):
    # A stream of a job that has not ended is cut at its first event, or, where it has none to send, after the timeout.
    asked = {"headers": {"Accept": media_type}, "max-stream-events": 1, "request-timeout": 2}
    only = [operation, "submit_job", "cancel_job", "list_jobs"]
    more = {"operations": [{"include-operation-id": operation, **asked}]}
    outcome = run(world, tmp_path, "ann", only=only, options=options(15, **more))
    assert outcome.failures == []
    assert operation in outcome.granted()
