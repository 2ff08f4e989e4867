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


class TestPlans:
    """Of 1438 images an epoch has 89 steps of 16, 44 of 32, 22 of 64, 11 of 128, 5 of 256 and 2 of 512."""

    @pytest.mark.parametrize(
        ("fields", "children", "steps", "search_steps"),
        [
            # Five sizes, 16 in place of what is recommended: an epoch each, 129, and all but 128 up to 4 x 2 epochs:
            # 8 x (89 + 22 + 5 + 2) + 2 x 11 = 966. Each sweeps 100 steps, extended once; 8 x 89 verify by 30 %: 213.
            ({"tune": ["batch_size"]}, 10, 129 + 966, 9 * 200 + 213),
            ({"tune": ["weight_decay"]}, 12, 8 * 100 + 4 * 22, 0),  # trials at the rates of sweeps
            ({"tune": ["momentum"]}, 5, 100 + 4 * 22, 0),
            ({"tune": ["momentum"], "optimizer": "adam"}, 0, 0, 0),
            ({"tune": ["batch_norm_momentum"]}, 1, 22, 200),
            # Momentum as if 16 were chosen: 100 + 4 x 2 x 89.
            ({"tune": ["batch_size", "momentum"]}, 15, 129 + 966 + 100 + 712, 9 * 200 + 213),
            ({"tune": [], "search": {"trials": 5, "fields": {"batch_size": {"choices": [32, 64]}}}}, 5, 5 * 88, 1000),
            ({"tune": [], "search": {"trials": 5, "fields": {"schedule.max_lr": {"low": 0.1, "high": 1}}}}, 5, 110, 0),
        ],
    )
    def test_a_tuning(self, client, fields, children, steps, search_steps):
        body = ask(client, kind="tuning", architecture="resnet9", **fields).json()
        assert (body["children"], body["steps"], body["search_steps"]) == (children, steps, search_steps)

    def test_only_the_first_seed_of_each_arm_searches(self, client):
        """440 steps of the baseline and 110 of one cycle, three times; two sweeps, as 110 are too few to verify."""
        arms = dict.fromkeys(("linear", "cosine", "constant", "step"))
        body = ask(client, kind="comparison", epochs=40, seeds=3, arms=arms).json()
        assert (body["children"], body["steps"], body["search_steps"]) == (6, 3 * 550, 400)

    @pytest.mark.parametrize(
        ("fields", "children", "steps", "search_steps"),
        [
            ({"tune": [], "epochs": 40}, 1, 440, 132),
            # Short trainings of one epoch: 129, and 4 x (89 + 22 + 5 + 2) + 11 = 483. Then 10 epochs of 16 at most.
            ({"epochs": 10}, 12, 129 + 483 + 890, 2000 + 267),
            # Left open, the budget may have room for 200 epochs; without a tuning, one more tells how long it takes.
            ({"tune": []}, 2, 11 + 200 * 11, 660),
            ({}, 12, 129 + 483 + 200 * 89, 2000 + 5340),
            # A baseline over 40 epochs of 89 steps and five arms over 10, three times; each arm searches as long.
            ({"epochs": 10, "compare": True}, 31, 129 + 483 + 890 + 3 * (3560 + 5 * 890), 2000 + 267 + 6 * 267),
        ],
    )
    def test_an_automatic_run(self, client, fields, children, steps, search_steps):
        body = ask(client, kind="auto", **{"tune": ["batch_size"]} | fields).json()
        assert (body["children"], body["steps"], body["search_steps"]) == (children, steps, search_steps)

    def test_an_automatic_run_says_what_it_tunes(self, client):
        body = ask(client, kind="auto", batch_size=256, optimizer={"name": "sgd", "weight_decay": 1e-3}).json()
        assert body["spec"]["tune"] == ["momentum", "batch_norm_momentum"]

    @pytest.mark.parametrize(("frozen", "epochs"), [(10, 200), (300, 301)])
    def test_of_an_automatic_run_that_begins_with_its_head(self, client, frozen, epochs):
        fields = {"architecture": "resnet18", "pretrained": True, "freeze": frozen, "tune": [], "compare": True}
        body = ask(client, kind="auto", **fields).json()
        assert (body["spec"]["epochs"], body["children"]) == (None, 1 + 1 + 1 + 18)
        assert body["steps"] == 11 + epochs * 11 + 3 * (4 * epochs + 5 * epochs) * 11

    def test_a_fault_is_told_of_the_size_that_was_given(self, client):
        errors = ask(client, kind="auto", tune=["batch_size"], batch_size=4096, compare=True).json()["errors"]
        assert [one["pointer"] for one in errors] == ["#/batch_size"]
        assert "4096" in errors[0]["detail"]

    def test_a_fault_of_what_is_searched_is_told_there_alone(self, client):
        search = {"fields": {"batch_size": {"choices": [2048, 4096]}}}
        errors = ask(client, kind="tuning", tune=[], search=search).json()["errors"]
        assert [one["pointer"] for one in errors] == ["#/search/fields/batch_size"]
