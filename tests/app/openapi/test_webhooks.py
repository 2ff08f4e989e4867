"""The webhooks that the document describes are those that the keeper sends."""

import pytest

from app.openapi.examples import recorded
from app.webhooks.described import Event
from app.webhooks.due import Due
from app.webhooks.events import EVENT_TYPES
from worker.keeper.sending import _headers


@pytest.fixture
def webhooks(document):
    return {name: methods["post"] for name, methods in document["webhooks"].items()}


def test_there_is_one_of_each_type(webhooks):
    assert tuple(webhooks) == EVENT_TYPES
    assert len({webhook["operationId"] for webhook in webhooks.values()}) == len(EVENT_TYPES)


def test_their_headers_are_those_that_are_sent(webhooks):
    due = Due("dlv_x", 1, 1, "whk_x", "https://example.com/", "whsec_" + "QUFB" * 8, "evt_x", "{}")
    sent = {name for name in _headers(due) if name.startswith("webhook-")}
    for webhook in webhooks.values():
        assert {parameter["name"] for parameter in webhook["parameters"]} == sent
        assert all(parameter["required"] for parameter in webhook["parameters"])


@pytest.mark.parametrize("event", EVENT_TYPES)
def test_the_example_is_a_body_that_was_put_into_the_outbox(webhooks, event):
    [example] = webhooks[event]["requestBody"]["content"]["application/json"]["examples"].values()
    assert example["value"] == recorded()["webhooks"][event]
    assert Event.model_validate(example["value"], extra="forbid").model_dump(mode="json") == example["value"]
    assert example["value"]["type"] == event
    assert event.endswith(example["value"]["data"]["state"]) or event == "job.started"
