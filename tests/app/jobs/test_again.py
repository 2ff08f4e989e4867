"""`retry` and `clone`: new jobs from old ones."""

import pytest

ENVELOPE = {
    "name": "first",
    "tags": ["a", "b"],
    "priority": 3,
    "max_attempts": 2,
    "max_runtime_seconds": 60,
    "on_time_limit": "fail",
    "device": "cpu",
}


@pytest.fixture
def cancelled(client, submit):
    """A job with much in it, cancelled."""
    job = submit(optimizer={"name": "sgd", "momentum": 0.8}, epochs=3, **ENVELOPE)
    return client.post(f"{job['links']['self']}/cancel").json()


def post(client, job, verb, **options):
    return client.post(f"{job['links']['self']}/{verb}", **options)


class TestRetry:
    def test_the_same_again(self, client, cancelled, queue):
        response = post(client, cancelled, "retry")
        job = response.json()
        assert response.status_code == 202
        assert response.headers["location"] == job["links"]["self"]
        assert (job["source_id"], job["state"]) == (cancelled["id"], "queued")
        assert job["id"] != cancelled["id"]
        same = ("spec", *ENVELOPE)
        assert [job[name] for name in same] == [cancelled[name] for name in same]
        assert queue.hints[-1] == job["id"]

    def test_of_data_that_is_gone(self, client, parts, put_job, cancelled):
        gone = cancelled["spec"] | {"dataset": {"name": "mine", "id": None, "version": None}}
        id = put_job(parts.database, state="failed", spec=gone)
        response = client.post(f"/v1/jobs/{id}/retry")
        assert (response.status_code, response.json()["code"]) == (422, "unknown_dataset")


class TestClone:
    def test_without_a_body_it_is_the_same(self, client, cancelled):
        response = post(client, cancelled, "clone")
        assert response.status_code == 202
        assert response.json()["spec"] == cancelled["spec"]

    def test_with_changes(self, client, cancelled):
        changes = {"epochs": 7, "optimizer": {"weight_decay": 0.1}, "name": None, "tags": ["c"]}
        job = post(client, cancelled, "clone", json=changes).json()
        assert job["spec"]["epochs"] == 7
        assert job["spec"]["optimizer"] == cancelled["spec"]["optimizer"] | {"weight_decay": 0.1}
        assert (job["name"], job["tags"], job["priority"]) == (None, ["c"], 3)

    def test_another_optimizer_leaves_the_fields_of_the_old_one(self, client, cancelled):
        job = post(client, cancelled, "clone", json={"optimizer": "adamw"}).json()
        assert job["spec"]["optimizer"]["name"] == "adamw"
        assert "momentum" not in job["spec"]["optimizer"]

    def test_null_leaves_an_arm_out_as_it_does_in_a_comparison(self, client):
        whole = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "arms": {"step": None, "mine": {}}}
        made = client.post("/v1/jobs", json=whole).json()
        changed = client.post(f"/v1/jobs/{made['id']}/clone", json={"arms": {"linear": None, "mine": None}}).json()
        assert changed["spec"]["arms"] == {"step": None, "linear": None}

    @pytest.mark.parametrize(
        ("changes", "arms"),
        [
            ({}, {"baseline": {"ema": None}, "one_cycle@0.5": {"batch_size": 32}}),
            ({"arms": {"baseline": {"ema": None}}}, {"baseline": {"ema": None}, "one_cycle@0.5": {"batch_size": 32}}),
            ({"arms": {"one_cycle@0.5": {"ema": None}}},
             {"baseline": {"ema": None}, "one_cycle@0.5": {"batch_size": 32, "ema": None}}),
            ({"fractions": [0.125]}, {"baseline": {"ema": None}}),
            ({"fractions": [0.125], "arms": {"one_cycle@0.5": None, "linear": None}},
             {"baseline": {"ema": None}, "linear": None}),
            ({"arms": None}, {}),
        ],
    )  # fmt: skip
    def test_changes_within_arms_are_laid_upon_those_there_were(self, client, changes, arms):
        """Null takes away what all arms share, and stays; an arm of a share goes with it."""
        old = {"baseline": {"ema": None}, "one_cycle@0.5": {"batch_size": 32}}
        whole = {"kind": "comparison", "dataset": "digits", "architecture": "mlp", "ema": 0.9}
        made = client.post("/v1/jobs", json=whole | {"fractions": [0.5], "arms": old}).json()
        changed = client.post(f"/v1/jobs/{made['id']}/clone", json=changes)
        assert (changed.status_code, changed.json()["spec"]["arms"]) == (202, arms)

    def test_a_training_becomes_a_comparison(self, client, cancelled):
        changes = {"kind": "comparison", "schedule": None, "preset": None, "epochs": 40, "arms": {"linear": None}}
        job = post(client, cancelled, "clone", json=changes)
        assert (job.status_code, job.json()["spec"]["arms"]) == (202, {"linear": None})

    @pytest.mark.parametrize(
        ("changes", "tuned"),
        [
            ({}, ["weight_decay", "momentum", "batch_norm_momentum"]),
            ({"tune": ["momentum"]}, ["momentum"]),
            ({"tune": None}, ["batch_size", "weight_decay", "momentum", "batch_norm_momentum"]),  # its default
        ],
    )
    def test_an_automatic_run_tunes_what_the_first_did(self, client, changes, tuned):
        made = client.post("/v1/jobs", json={"kind": "auto", "dataset": "digits", "batch_size": 256}).json()
        spec = client.post(f"/v1/jobs/{made['id']}/clone", json=changes).json()["spec"]
        assert (spec["tune"], spec["batch_size"]) == (tuned, 256)

    def test_as_a_merge_patch(self, client, cancelled):
        headers = {"content-type": "application/merge-patch+json"}
        assert post(client, cancelled, "clone", content=b'{"epochs": 7}', headers=headers).json()["spec"]["epochs"] == 7

    @pytest.mark.parametrize(
        ("changes", "code", "pointer"),
        [
            ({"epochs": 0}, "out_of_range", "#/epochs"),
            ({"epoch": 3}, "unknown_field", "#/epoch"),
            ({"optimizer": {"beta1": 0.9}}, "unknown_field", "#/optimizer/beta1"),
            ({"dataset": "digit"}, "unknown_dataset", "#/dataset"),
            ({"kind": "compare"}, "unknown_option", "#/kind"),
        ],
    )
    def test_what_does_not_fit(self, client, cancelled, changes, code, pointer):
        response = post(client, cancelled, "clone", json=changes)
        assert response.status_code == 422, response.text
        error = response.json()["errors"][0]
        assert (error["pointer"], error["code"]) == (pointer, code)

    def test_a_range_test_of_a_training_s_spec_says_which_fields_it_does_not_have(self, client, cancelled):
        response = post(client, cancelled, "clone", json={"kind": "range_test"})
        assert {error["pointer"] for error in response.json()["errors"]} >= {"#/epochs", "#/schedule"}
