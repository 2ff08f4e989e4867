"""Submitting jobs: what is enough, what is refused and why, and when workers are told."""

import pytest
from sqlalchemy import select

from app.datasets.service import NewDataset, add
from app.db.tables import DatasetTable, JobTable
from app.ids import new_id


class TestAccepted:
    @pytest.mark.parametrize("kind", ["range_test", "training"])
    def test_the_minimal_body_is_enough(self, any_client, minimal, kind):
        response = any_client.post("/v1/jobs", json=minimal | {"kind": kind})
        assert response.status_code == 202
        job = response.json()
        assert response.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
        assert int(response.headers["retry-after"]) >= 1
        assert job["state"] == "queued"
        assert job["kind"] == job["spec"]["kind"] == kind
        assert any_client.get(response.headers["location"]).json() == job

    def test_the_whole_shape(self, submit):
        job = submit()
        links = f"/v1/jobs/{job['id']}"
        times = {name: job.pop(name) for name in ("created_at", "started_at", "finished_at")}
        assert times["created_at"].endswith("Z")
        assert (times["started_at"], times["finished_at"]) == (None, None)
        assert job.pop("spec")["epochs"] == 10
        assert job == {
            "id": job["id"],
            "owner": "admin",
            "kind": "training",
            "name": None,
            "tags": [],
            "priority": 0,
            "state": "queued",
            "phase": None,
            "progress": {
                "step": 0,
                "epoch": 0,
                "fraction": 0.0,
                **dict.fromkeys(("steps", "epochs", "eta_seconds", "steps_per_second", "memory_bytes")),
            },
            "resolved": {},
            "result": None,
            "error": None,
            "parent_id": None,
            "source_id": None,
            "model_id": None,
            "device": "any",
            "attempts": 0,
            "max_attempts": 3,
            "max_runtime_seconds": None,
            "on_time_limit": "pause",
            "worker": None,
            "links": {
                "self": links,
                "events": f"{links}/events",
                "metrics": f"{links}/metrics",
                "artifacts": f"{links}/artifacts",
                "logs": f"{links}/logs",
                "model": None,
                "plots": {},
            },
        }

    def test_defaults(self, submit):
        spec = submit()["spec"]
        assert spec["optimizer"] == {
            "name": "sgd",
            "momentum": 0.9,
            "nesterov": True,
            "weight_decay": 5e-4,
            "decay_norm_and_bias": False,
        }
        assert (spec["epochs"], spec["batch_size"], spec["seed"], spec["early_stopping"]) == (10, 128, 0, None)
        assert (spec["schedule"]["policy"], spec["schedule"]["shape"]) == ("one_cycle", "case_study")
        assert spec["schedule"]["max_lr"] == "auto"

    def test_bare_strings_and_objects_mean_the_same(self, submit):
        bare = submit(optimizer="adamw")["spec"]
        full = submit(
            dataset={"name": "digits"}, architecture={"name": "mlp"}, optimizer={"name": "adamw", "weight_decay": 0.01}
        )["spec"]
        assert bare == full

    def test_a_dataset_by_its_id(self, client, submit):
        id = client.get("/v1/datasets/digits").json()["id"]
        assert submit(dataset=id)["spec"]["dataset"]["id"] == id

    def test_the_envelope_is_no_part_of_the_spec(self, submit):
        envelope = {"name": "first", "tags": ["b", "a", "b"], "priority": 5, "max_attempts": 2}
        job = submit(**envelope)
        assert (job["name"], job["tags"], job["priority"]) == ("first", ["a", "b"], 5)
        assert not envelope.keys() & job["spec"].keys()
        assert job["spec"] == submit()["spec"]

    def test_history_begins(self, client, submit):
        items = client.get(submit()["links"]["events"]).json()["items"]
        assert [(item["seq"], item["type"], item["data"]) for item in items] == [
            (1, "state", {"state": "queued", "previous": None})
        ]


class TestHints:
    def test_sent_after_the_commit(self, submit, parts, queue, monkeypatch):
        seen = []

        def look(job_id):
            with parts.database.reading() as session:
                seen.append((job_id, session.scalar(select(JobTable.state).where(JobTable.id == job_id))))
            return True

        monkeypatch.setattr(queue, "hint", look)
        job = submit()
        assert seen == [(job["id"], "queued")]

    def test_with_the_broker_down_the_job_is_queued_all_the_same(self, client, submit, queue):
        queue.down = True
        job = submit()
        assert queue.hints == []
        assert client.get(job["links"]["self"]).json()["state"] == "queued"

    def test_none_for_what_was_refused(self, client, minimal, queue):
        assert client.post("/v1/jobs", json=minimal | {"dataset": "none"}).status_code == 422
        assert queue.hints == []
        assert client.get("/v1/jobs").json()["items"] == []


class TestChecks:
    """digits has 1,797 training images of 8 px, a fifth of them held out, and no test split."""

    @pytest.mark.parametrize(
        ("change", "code", "pointer", "says"),
        [
            ({"architecture": "resnet99"}, "unknown_architecture", "#/architecture", "did you mean 'resnet9'"),
            ({"architecture": "zzz"}, "unknown_architecture", "#/architecture", "'zzz'"),
            (
                {"architecture": {"name": "mlp", "layers": 3}},
                "unknown_architecture_option",
                "#/architecture/layers",
                "mlp has no option 'layers'. It has: width",
            ),
            (
                {"architecture": {"name": "mlp", "widht": 3}},
                "unknown_architecture_option",
                "#/architecture/widht",
                "did you mean 'width'?",
            ),
            (
                {"architecture": {"name": "lenet", "width": 3}},
                "unknown_architecture_option",
                "#/architecture/width",
                "It has: none",
            ),
            (
                {"architecture": {"name": "mlp", "a/b~c": 3}},
                "unknown_architecture_option",
                "#/architecture/a~1b~0c",
                "a/b~c",
            ),
            (
                {"architecture": {"name": "resnet9", "width": 0}},
                "out_of_range",
                "#/architecture/width",
                "from 1 to 512",
            ),
            ({"architecture": {"name": "resnet9", "width": 513}}, "out_of_range", "#/architecture/width", "512"),
            ({"architecture": {"name": "resnet9", "width": 8.0}}, "wrong_type", "#/architecture/width", "whole"),
            ({"architecture": {"name": "resnet9", "width": True}}, "wrong_type", "#/architecture/width", "whole"),
            ({"architecture": {"name": "resnet9", "width": "8"}}, "wrong_type", "#/architecture/width", "whole"),
            (
                {"architecture": "alexnet", "image_size": 32},
                "image_size_unfit",
                "#/image_size",
                "images of 63 px or more, not 32",
            ),
            (
                {"architecture": "vit_b_16", "image_size": 30},
                "image_size_unfit",
                "#/image_size",
                "a multiple of 16 px, not 30; the next that fits is 32",
            ),
            (
                {"architecture": "maxvit_t", "image_size": 300},
                "image_size_unfit",
                "#/image_size",
                "a multiple of 224 px, not 300; the next that fits is 448",
            ),
            ({"pretrained": True}, "unknown_weights", "#/pretrained", "has no published weights"),
            ({"architecture": "resnet18", "pretrained": "V9"}, "unknown_weights", "#/pretrained", "IMAGENET1K_V1"),
            ({"validation": "test"}, "no_test_split", "#/validation", "digits"),
            ({"validation": 0.0001}, "validation_too_small", "#/validation", "0.0001 of 1797 images"),
            ({"batch_size": 1439}, "batch_too_large", "#/batch_size", "1438"),  # 1797 - round(0.2 × 1797)
            ({"validation": 0.5, "batch_size": 1000}, "batch_too_large", "#/batch_size", "899"),
            ({"accumulation_steps": 12}, "step_too_large", "#/accumulation_steps", "12 batches of 128 is larger than"),
            ({"cutout": 8}, "cutout_too_large", "#/cutout", "8 px leaves nothing of images of 8 px"),
            ({"cutout": 16, "architecture": "lenet"}, "cutout_too_large", "#/cutout", "16 px"),
            ({"augmentation": {"crop": 8}}, "crop_too_large", "#/augmentation/crop", "8 px"),
            ({"augmentation": {"crop": 16}, "image_size": 16}, "crop_too_large", "#/augmentation/crop", "16 px"),
        ],
    )
    def test_each_names_its_field(self, shared_client, minimal, change, code, pointer, says):
        response = shared_client.post("/v1/jobs", json=minimal | change)
        problem = response.json()
        assert response.status_code == 422
        assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(pointer, code)]
        assert problem["code"] == code
        assert says in problem["detail"]
        assert problem["hint"]

    @pytest.mark.parametrize(
        "change",
        [
            {"batch_size": 1438},
            {"accumulation_steps": 11},  # 1438 // 128
            {"cutout": 8, "architecture": "lenet"},  # which sees 16 px
            {"architecture": "alexnet", "image_size": 63},
            {"architecture": "vit_b_16", "image_size": 32},
            {"architecture": "vit_b_16"},  # 8 px are raised to 16
            {"architecture": "resnet18", "pretrained": True},
            {"architecture": "resnet18", "pretrained": "IMAGENET1K_V1"},
            {"architecture": {"name": "resnet9", "width": 512}},
            {"dataset": "MNIST", "validation": "test"},
            {"augmentation": {"crop": 7}},
            {"augmentation": {"crop": 8}, "image_size": 16},
        ],
    )
    def test_just_within_the_bounds(self, submit, change):
        submit(**change)

    def test_all_that_is_wrong_comes_at_once(self, shared_client, minimal):
        change = {"architecture": {"name": "mlp", "x": 1}, "validation": "test", "batch_size": 5000}
        problem = shared_client.post("/v1/jobs", json=minimal | change).json()
        assert [error["code"] for error in problem["errors"]] == [
            "unknown_architecture_option",
            "no_test_split",
            "batch_too_large",
        ]


class TestDatasets:
    @pytest.mark.parametrize(
        ("name", "says"),
        [("mnst", "did you mean 'MNIST'?"), ("digit", "did you mean 'digits'?"), ("qqqq", "no dataset 'qqqq'.")],
    )
    def test_an_unknown_name_suggests_the_nearest(self, shared_client, minimal, name, says):
        problem = shared_client.post("/v1/jobs", json=minimal | {"dataset": name}).json()
        assert problem["code"] == "unknown_dataset"
        assert [error["pointer"] for error in problem["errors"]] == ["#/dataset"]
        assert says in problem["detail"]

    def test_an_unknown_id(self, shared_client, minimal):
        problem = shared_client.post("/v1/jobs", json=minimal | {"dataset": new_id("ds")}).json()
        assert (problem["status"], problem["code"]) == (422, "unknown_dataset")

    @pytest.mark.parametrize("state", ["validating", "invalid"])
    def test_one_that_is_not_ready(self, client, minimal, parts, tmp_path, state):
        with parts.database.transaction() as session:
            add(session, NewDataset(new_id("ds"), "admin", "pets", "uploaded", path=tmp_path))
            session.scalars(select(DatasetTable)).one().state = state
        response = client.post("/v1/jobs", json=minimal | {"dataset": "pets"})
        assert response.status_code in (409, 422)
        assert state in response.json()["detail"]


class TestPresets:
    def test_are_stored_filled_in_and_keep_their_name(self, client):
        response = client.post("/v1/jobs", json={"kind": "training", "preset": "blog", "epochs": 3})
        assert response.status_code == 202, response.text
        spec = response.json()["spec"]
        assert (spec["preset"], spec["architecture"]["name"], spec["epochs"]) == ("blog", "mobilenet_v2", 3)
        assert spec["schedule"]["pick"] == "steepest"

    @pytest.mark.parametrize(
        ("change", "pointer", "code"),
        [
            ({"preset": "blgo"}, "#/preset", "unknown_option"),
            ({"preset": "blog", "freeze": 50}, "#/freeze", "invalid_value"),
            ({"preset": "blog", "freeze": {"epochs": 0}}, "#/freeze/epochs", "out_of_range"),
            ({"preset": "blog", "architecture": "resnet9"}, "#/pretrained", "unknown_weights"),
            ({"preset": "case_study", "schedule": {"cycle_beta1": True}}, "#/schedule", "invalid_value"),
            ({"preset": "blog", "layer_lr_decay": 0}, "#/layer_lr_decay", "out_of_range"),
            ({"preset": "blog", "schedule": {"pick": "best of all"}}, "#/schedule/pick", "unknown_option"),
        ],
    )
    def test_what_does_not_go_with_them_is_named(self, shared_client, change, pointer, code):
        problem = shared_client.post("/v1/jobs", json={"kind": "training", **change}).json()
        assert problem["status"] == 422
        assert (pointer, code) in [(error["pointer"], error["code"]) for error in problem["errors"]]

    def test_an_unknown_one_is_the_only_thing_wrong(self, shared_client):
        problem = shared_client.post("/v1/jobs", json={"kind": "training", "preset": "blgo"}).json()
        (error,) = problem["errors"]
        assert error["pointer"] == "#/preset"
        assert "one of blog, case_study" in error["detail"]
