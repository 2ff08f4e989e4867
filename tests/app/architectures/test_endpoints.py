"""The catalog of architectures over HTTP."""

import re

from app.domain import catalog


class TestList:
    def test_every_one_with_its_facts(self, shared_client):
        page = shared_client.get("/v1/architectures").json()
        assert [item["name"] for item in page["items"]] == list(catalog.architectures())
        assert page["next_cursor"] is None
        assert len(page["items"]) > 20

    def test_shape(self, shared_client):
        resnet9 = shared_client.get("/v1/architectures/resnet9").json()
        assert {"name", "family", "parameters", "image_size", "min_image_size", "options", "weights"} <= resnet9.keys()
        width = resnet9["options"]["width"]
        assert (width["default"], width["min"], width["max"], width["step"]) == (32, 1, 512, 1)
        assert resnet9["weights"] == []

    def test_each_is_explained(self, shared_client):
        for item in shared_client.get("/v1/architectures").json()["items"]:
            assert len(item["description"].split()) > 4, item["name"]
            assert item["paper"] is None or re.fullmatch(r"\d{4}\.\d{4,5}", item["paper"]), item["name"]
            assert all(option["description"] for option in item["options"].values())


class TestGet:
    def test_published_weights_are_named(self, shared_client):
        assert shared_client.get("/v1/architectures/resnet18").json()["weights"] == ["IMAGENET1K_V1"]

    def test_custom_lists_its_layers_and_limits(self, shared_client):
        custom = shared_client.get("/v1/architectures/custom").json()
        assert list(custom["layers"]) == [
            "conv", "batch_norm", "group_norm", "relu", "gelu", "silu", "max_pool", "avg_pool", "global_avg_pool",
            "dropout", "flatten", "linear", "residual",
        ]  # fmt: skip
        stride = {"min": 1, "max": 64, "required": False, "default": 1, "takes": "a whole number"}
        assert stride.items() <= custom["layers"]["conv"]["fields"]["stride"].items()
        features = custom["layers"]["linear"]["fields"]["features"]
        assert (features["takes"], features["required"]) == ('"classes" or a whole number', True)
        assert custom["limits"] == {
            "layers": 200, "depth": 8, "parameters": 200_000_000, "activations_per_image": 100_000_000,
        }  # fmt: skip
        assert (custom["parameters"], custom["image_size"]) == (None, None)

    def test_one_that_is_not_there(self, shared_client):
        response = shared_client.get("/v1/architectures/resnet9000")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_architecture")
