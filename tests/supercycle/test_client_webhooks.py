import json

import pytest

WEBHOOK = {"id": "whk_1", "owner": "admin", "url": "https://example.com/", "events": ["job.failed"]}


class TestAdd:
    def test_with_its_secret(self, service, client, canned):
        service.answers["POST /v1/webhooks"] = canned(WEBHOOK | {"secret": "whsec_x"}, 201)
        assert client.add_webhook("https://example.com/", ["job.failed"])["secret"] == "whsec_x"
        assert json.loads(service.requests[0].body) == {"url": "https://example.com/", "events": ["job.failed"]}

    def test_every_event_where_none_is_named(self, service, client, canned):
        service.answers["POST /v1/webhooks"] = canned(WEBHOOK, 201)
        client.add_webhook("https://example.com/")
        assert json.loads(service.requests[0].body) == {"url": "https://example.com/"}


class TestLookAndDelete:
    def test_all_and_one(self, service, client, canned):
        service.answers["GET /v1/webhooks"] = canned({"items": [WEBHOOK], "next_cursor": None})
        service.answers["GET /v1/webhooks/whk_1"] = canned(WEBHOOK)
        assert client.webhooks() == [WEBHOOK]
        assert client.webhook("whk_1") == WEBHOOK

    def test_delete(self, service, client, canned):
        service.answers["DELETE /v1/webhooks/whk_1"] = canned(status=204)
        client.delete_webhook("whk_1")
        assert len(service.requests) == 1

    @pytest.mark.parametrize("method", ["webhook", "delete_webhook", "deliveries"])
    def test_nothing_of_no_id(self, service, client, method):
        with pytest.raises(ValueError, match="must not be empty"):
            getattr(client, method)("")
        assert service.requests == []


class TestDeliveries:
    def test_page_by_page(self, service, client, canned):
        pages = [{"items": [{"id": "dlv_2"}], "next_cursor": "c"}, {"items": [{"id": "dlv_1"}], "next_cursor": None}]
        service.answers["GET /v1/webhooks/whk_1/deliveries"] = [canned(page) for page in pages]
        assert [one["id"] for one in client.deliveries("whk_1")] == ["dlv_2", "dlv_1"]
        assert service.requests[1].query == {"cursor": ["c"]}

    def test_again(self, service, client, canned):
        path = "/v1/webhooks/whk_1/deliveries/dlv_1/redeliver"
        service.answers[f"POST {path}"] = canned({"id": "dlv_1", "state": "pending"}, 202)
        assert client.redeliver("whk_1", "dlv_1")["state"] == "pending"
        assert len(service.sent("POST", path)) == 1
