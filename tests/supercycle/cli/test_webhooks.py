import json

import pytest

WEBHOOK = {
    "id": "whk_1",
    "owner": "admin",
    "url": "https://example.com/",
    "events": ["job.failed", "job.succeeded"],
    "created_at": "2026-01-01T00:00:00Z",
    "disabled_at": None,
}
DELIVERY = {
    "id": "dlv_2",
    "event_id": "evt_1",
    "type": "job.failed",
    "state": "pending",
    "attempts": 1,
    "next_at": "2026-01-01T00:00:05Z",
    "response_status": 500,
    "error": "It answered 500.",
}
DONE = DELIVERY | {"id": "dlv_1", "state": "delivered", "next_at": None, "response_status": 204, "error": None}


class TestAdd:
    def test_prints_the_secret(self, run, service, canned):
        service.answers["POST /v1/webhooks"] = canned(WEBHOOK | {"secret": "whsec_x"}, 201)
        found = run("webhooks", "add", WEBHOOK["url"], "--event", "job.failed", "--event", "job.succeeded")
        assert found.stdout.splitlines() == [
            "id      whk_1",
            "url     https://example.com/",
            "events  job.failed, job.succeeded",
            "secret  whsec_x",
            "keep the secret: the receiver verifies with it, and it is not shown again",
        ]
        sent = json.loads(service.requests[0].body)
        assert sent == {"url": WEBHOOK["url"], "events": ["job.failed", "job.succeeded"]}

    def test_every_event_where_none_is_named(self, run, service, canned):
        service.answers["POST /v1/webhooks"] = canned(WEBHOOK | {"secret": "whsec_x"}, 201)
        shown = json.loads(run("webhooks", "add", WEBHOOK["url"], "--json").stdout)
        assert shown["secret"] == "whsec_x"
        assert json.loads(service.requests[0].body) == {"url": WEBHOOK["url"]}

    def test_refused(self, run, service, canned):
        detail = "It must begin with https://."
        problem = {"title": "Webhooks may not lead there", "code": "webhook_url_not_allowed", "detail": detail}
        fields = [{"pointer": "#/url", "detail": detail, "code": "webhook_url_not_allowed"}]
        service.answers["POST /v1/webhooks"] = canned(problem | {"hint": "Give another.", "errors": fields}, 422)
        found = run("webhooks", "add", "http://example.com/")
        assert found.exit_code == 3
        assert found.stderr.splitlines() == [
            "Webhooks may not lead there (webhook_url_not_allowed)",
            "  url: It must begin with https://.",
            "Give another.",
        ]


class TestLook:
    def test_list(self, run, service, canned):
        service.answers["GET /v1/webhooks"] = canned({"items": [WEBHOOK], "next_cursor": None})
        assert run("webhooks", "list").stdout.splitlines() == [
            "id\turl\tevents\tcreated\tdisabled",
            "whk_1\thttps://example.com/\tjob.failed, job.succeeded\t2026-01-01T00:00:00Z\t-",
        ]
        assert json.loads(run("webhooks", "list", "--json").stdout) == [WEBHOOK]

    def test_deliveries(self, run, service, canned):
        service.answers["GET /v1/webhooks/whk_1/deliveries"] = canned({"items": [DELIVERY, DONE], "next_cursor": None})
        assert run("webhooks", "deliveries", "whk_1").stdout.splitlines() == [
            "id\tevent\tstate\tattempts\tlast answer\tnext",
            "dlv_2\tjob.failed\tpending\t1\tIt answered 500.\t2026-01-01T00:00:05Z",
            "dlv_1\tjob.failed\tdelivered\t1\t204\t-",
        ]
        assert json.loads(run("webhooks", "deliveries", "whk_1", "--limit", "1", "--json").stdout) == [DELIVERY]


class TestChange:
    def test_delete(self, run, service, canned):
        service.answers["GET /v1/webhooks/whk_1"] = canned(WEBHOOK)
        service.answers["DELETE /v1/webhooks/whk_1"] = canned(status=204)
        assert run("webhooks", "delete", "whk_1").stdout == "https://example.com/ (whk_1) deleted\n"
        assert len(service.sent("DELETE", "/v1/webhooks/whk_1")) == 1

    def test_redeliver(self, run, service, canned):
        service.answers["POST /v1/webhooks/whk_1/deliveries/dlv_1/redeliver"] = canned(DELIVERY | {"id": "dlv_1"}, 202)
        assert run("webhooks", "redeliver", "whk_1", "dlv_1").stdout == "job.failed (dlv_1) is sent again\n"

    @pytest.mark.parametrize(
        ("command", "code", "hint"),
        [
            (["delete", "whk_2"], "unknown_webhook", "supercycle webhooks list"),
            (["redeliver", "whk_2", "dlv_2"], "unknown_delivery", "supercycle webhooks deliveries WEBHOOK"),
        ],
    )
    def test_unknown(self, run, service, canned, command, code, hint):
        problem = canned({"title": "Not found", "code": code, "detail": "There is none.", "hint": "GET them."}, 404)
        service.answers["GET /v1/webhooks/whk_2"] = problem
        service.answers["POST /v1/webhooks/whk_2/deliveries/dlv_2/redeliver"] = problem
        found = run("webhooks", *command)
        assert found.exit_code == 3
        assert found.stderr.splitlines()[-1] == f"See what there is with: {hint}"

    def test_an_empty_id(self, run, service):
        assert run("webhooks", "delete", "").exit_code == 2
        assert service.requests == []
