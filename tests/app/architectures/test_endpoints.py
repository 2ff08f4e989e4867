"""The catalog of architectures over HTTP."""

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
        assert resnet9["options"]["width"] == {"default": 32, "min": 1, "max": 512}
        assert resnet9["weights"] == []


class TestGet:
    def test_published_weights_are_named(self, shared_client):
        assert shared_client.get("/v1/architectures/resnet18").json()["weights"] == ["IMAGENET1K_V1"]

    def test_one_that_is_not_there(self, shared_client):
        response = shared_client.get("/v1/architectures/resnet9000")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_architecture")
