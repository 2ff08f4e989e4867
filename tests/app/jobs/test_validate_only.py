"""`validate_only`: what would run, with nothing queued."""

import pytest

BODY = {"kind": "training", "dataset": "digits", "architecture": "mlp"}


def ask(client, **changes):
    return client.post("/v1/jobs?validate_only=true", json=BODY | changes)


class TestEstimate:
    @pytest.mark.parametrize(
        ("changes", "steps", "search_steps"),
        [
            # 1797 images, of which 20 % are held out, leave 1438: 11 batches of 128
            ({"epochs": 3, "schedule": {"max_lr": 0.1}}, 33, 0),
            ({"epochs": 3}, 33, 200),  # too short to verify: a sweep of 100 steps, extended once
            ({"epochs": 40}, 440, 132),  # 30 % of the steps
            ({"epochs": 3, "schedule": {"max_lr": 0.1}, "accumulation_steps": 2}, 15, 0),
            ({"epochs": 3, "schedule": {"max_lr": 0.1}, "validation": 0.5}, 21, 0),
            ({"epochs": 3, "schedule": {"max_lr": 0.1}, "batch_size": "auto"}, 33, 0),  # as if it were 128
            ({"epochs": 3, "schedule": {"max_lr": 0.1}, "batch_size": "auto", "accumulation_steps": 20}, 3, 0),  # 11 of
            ({"kind": "range_test"}, 100, 0),
            ({"kind": "range_test", "repeats": 3, "steps": 150}, 450, 0),
        ],
    )
    def test_steps(self, client, changes, steps, search_steps):
        answer = ask(client, **changes)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["steps"], body["search_steps"], body["children"]) == (steps, search_steps, 0)

    @pytest.mark.parametrize(("asked", "counted"), [("auto", 128), (64, 64)])
    def test_says_for_which_batch_size(self, client, asked, counted):
        body = ask(client, batch_size=asked).json()
        assert (body["spec"]["batch_size"], body["batch_size"]) == (asked, counted)

    def test_of_steps_that_no_batch_size_makes_room_for(self, client):
        answer = ask(client, batch_size="auto", accumulation_steps=90)  # 90 × 16 = 1440 of 1438 images
        assert (answer.status_code, answer.json()["code"]) == (422, "step_too_large")

    def test_the_spec_has_its_defaults(self, client):
        body = ask(client, name="n", tags=["t"]).json()
        assert body["spec"]["batch_size"] == 128
        assert "name" not in body["spec"]
        assert client.get(f"/v1/datasets/{body['dataset_id']}").json()["name"] == "digits"

    def test_nothing_is_queued(self, client, queue):
        assert "location" not in ask(client).headers
        assert client.get("/v1/jobs").json()["items"] == []
        assert queue.hints == []

    @pytest.mark.parametrize("changes", [{"epochs": 0}, {"dataset": "nope"}, {"architecture": "nope"}])
    def test_what_would_be_refused_is(self, client, changes):
        assert ask(client, **changes).json()["code"] == client.post("/v1/jobs", json=BODY | changes).json()["code"]
