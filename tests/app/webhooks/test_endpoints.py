"""Webhooks over HTTP: made, listed, deleted, their deliveries shown and asked for again."""

import base64
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta

import pytest

from app.api_keys.service import create
from app.callers import Scope, administrator
from app.db.tables import JobTable, WebhookDeliveryTable, WebhookTable
from app.domain.lifecycle import JobState
from app.errors import Conflict
from app.jobs.repository import JobRepository
from app.webhooks import due, service
from app.webhooks.due import Outcome
from app.webhooks.events import EVENT_TYPES
from app.webhooks.schemas import NewWebhook
from app.webhooks.service import MOST_PER_OWNER

URL = "https://example.com/hook"


@pytest.fixture
def add(any_client):
    def post(**body):
        response = any_client.post("/v1/webhooks", json={"url": URL} | body)
        assert response.status_code == 201, response.text
        return response.json()

    return post


@pytest.fixture
def happen(database, put_job):
    """A job of this owner's is cancelled."""

    def cancel(owner="admin"):
        id = put_job(database, owner=owner)
        with database.transaction() as session:
            jobs = JobRepository(session)
            jobs.move(jobs.lock(id), JobState.CANCELLED)
        return id

    return cancel


@pytest.fixture
def send(database):
    """One delivery is sent, and this comes of it."""

    def attempt(outcome):
        with database.transaction() as session:
            mine = due.claim(session, hold=timedelta(minutes=1))
            due.note(session, mine, outcome, jitter=0)
        return mine

    return attempt


@pytest.fixture
def header_of(database):
    """The header of a new key of this owner's."""

    def make(owner, *scopes):
        with database.transaction() as session:
            token = create(session, owner=owner, scopes=scopes or (Scope.READ, Scope.SUBMIT)).token
        return {"Authorization": f"Bearer {token}"}

    return make


class TestAdd:
    def test_shows_the_secret_once(self, any_client, add):
        made = add(events=["job.failed", "job.failed", "dataset.ready"])
        assert made.keys() == {"id", "owner", "url", "events", "created_at", "disabled_at", "secret"}
        assert made["id"].startswith("whk_")
        assert (made["owner"], made["url"]) == ("admin", URL)
        assert made["events"] == ["job.failed", "dataset.ready"]
        prefix, _, secret = made["secret"].partition("_")
        assert (prefix, len(base64.b64decode(secret, validate=True))) == ("whsec", 32)
        shown = any_client.get(f"/v1/webhooks/{made['id']}").json()
        assert shown == {name: value for name, value in made.items() if name != "secret"}
        assert any_client.get("/v1/webhooks").json() == {"items": [shown], "next_cursor": None}

    def test_says_where(self, any_client):
        response = any_client.post("/v1/webhooks", json={"url": URL})
        assert response.headers["Location"] == f"/v1/webhooks/{response.json()['id']}"

    def test_every_event_unless_told(self, add):
        assert add()["events"] == list(EVENT_TYPES)

    def test_sent_again_is_made_once(self, any_client):
        answers = [any_client.post("/v1/webhooks", json={"url": URL}, headers={"Idempotency-Key": "k"}) for _ in "12"]
        assert answers[0].json() == answers[1].json()
        assert len(any_client.get("/v1/webhooks").json()["items"]) == 1

    @pytest.mark.parametrize(
        ("body", "pointer", "code", "words"),
        [
            ({}, "#/url", "missing_field", "url is missing"),
            ({"url": 5}, "#/url", "wrong_type", "text"),
            ({"url": ""}, "#/url", "too_short", "empty"),
            ({"url": f"{URL}?{'x' * 2000}"}, "#/url", "too_long", "2000"),
            ({"url": f"{URL}\0"}, "#/url", "invalid_value", "NUL"),
            ({"url": "http://example.com/"}, "#/url", "webhook_url_not_allowed", "https://"),
            ({"url": "https://127.0.0.1/"}, "#/url", "webhook_url_not_allowed", "private or this machine"),
            ({"url": "https://[fd00::1]/"}, "#/url", "webhook_url_not_allowed", "private or this machine"),
            ({"url": "https://u:p@example.com/"}, "#/url", "webhook_url_not_allowed", "no password"),
            ({"url": URL, "events": []}, "#/events", "too_short", "empty"),
            ({"url": URL, "events": "job.failed"}, "#/events", "wrong_type", "a list"),
            ({"url": URL, "events": ["job.faild"]}, "#/events/0", "unknown_option", 'did you mean "job.failed"'),
            ({"url": URL, "events": ["job.queued"]}, "#/events/0", "unknown_option", ", ".join(EVENT_TYPES)),
            ({"url": URL, "secret": "whsec_x"}, "#/secret", "unknown_field", "no field here"),
        ],
    )
    def test_refused(self, client, body, pointer, code, words):
        response = client.post("/v1/webhooks", json=body)
        assert response.status_code == 422
        problem = response.json()
        assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer)
        assert words.replace('"', "'") in problem["errors"][0]["detail"].replace('"', "'")
        assert problem["hint"]

    def test_private_ones_where_the_operator_allows_them(self, sqlite_settings, queue, in_process):
        settings = sqlite_settings.model_copy(update={"webhook_private_hosts": True})
        with in_process(settings, queue) as client:
            assert client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9000/"}).status_code == 201
            assert client.post("/v1/webhooks", json={"url": "ftp://127.0.0.1/"}).status_code == 422

    def test_no_more_than_so_many_of_one_owner(self, any_client, add, put_webhook):
        put_webhook(owner="ann")
        for _ in range(MOST_PER_OWNER):
            last = add()
        response = any_client.post("/v1/webhooks", json={"url": URL})
        assert (response.status_code, response.json()["code"]) == (409, "too_many_webhooks")
        any_client.delete(f"/v1/webhooks/{last['id']}")
        add()

    def test_of_two_at_once_the_second_waits_and_is_refused(self, database, put_webhook):
        for _ in range(MOST_PER_OWNER - 1):
            put_webhook(owner="admin")

        def add_one(session):
            service.add(session, NewWebhook(url=URL), administrator(), private_allowed=False)

        def second():
            with database.transaction() as session:
                add_one(session)

        with ThreadPoolExecutor(1) as other:
            with database.transaction() as session:
                add_one(session)
                asked = other.submit(second)
                assert not wait([asked], timeout=0.3).done
            with pytest.raises(Conflict):
                asked.result(10)


class TestDelete:
    def test_with_its_deliveries(self, any_client, add, happen, deliveries):
        made = add()
        happen()
        assert len(deliveries()) == 1
        assert any_client.delete(f"/v1/webhooks/{made['id']}").status_code == 204
        assert deliveries() == []
        response = any_client.delete(f"/v1/webhooks/{made['id']}")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_webhook")


class TestDeliveries:
    def test_newest_first_page_by_page(self, any_client, add, happen):
        path = f"/v1/webhooks/{add()['id']}/deliveries"
        for _ in range(3):
            happen()
        first = any_client.get(path, params={"limit": 2}).json()
        second = any_client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
        ids = [item["id"] for item in [*first["items"], *second["items"]]]
        assert ids == sorted(ids, reverse=True)
        assert (len(ids), second["next_cursor"]) == (3, None)

    def test_how_it_went(self, any_client, add, happen, send):
        path = f"/v1/webhooks/{add()['id']}/deliveries"
        happen()
        [waiting] = any_client.get(path).json()["items"]
        assert (waiting["type"], waiting["state"], waiting["attempts"]) == ("job.cancelled", "pending", 0)
        send(Outcome(7, status=503, error="It answered 503."))
        [tried] = any_client.get(path).json()["items"]
        shown = {name: tried[name] for name in ("state", "attempts", "response_status", "error", "milliseconds")}
        assert shown == {
            "state": "pending",
            "attempts": 1,
            "response_status": 503,
            "error": "It answered 503.",
            "milliseconds": 7,
        }
        assert tried["event_id"] == waiting["event_id"]
        assert tried["attempted_at"] < tried["next_at"]
        assert tried["delivered_at"] is None


class TestRedeliver:
    @pytest.mark.parametrize("outcome", [Outcome(1, status=200), Outcome(1, status=500, error="It answered 500.")])
    def test_is_due_now_under_the_same_event(self, any_client, add, happen, send, outcome):
        path = f"/v1/webhooks/{add()['id']}/deliveries"
        happen()
        first = send(outcome)
        response = any_client.post(f"{path}/{first.id}/redeliver")
        assert response.status_code == 202
        shown = response.json()
        assert (shown["id"], shown["state"], shown["attempts"]) == (first.id, "pending", 0)
        assert datetime.fromisoformat(shown["next_at"]) <= datetime.now(UTC) + timedelta(seconds=1)
        second = send(Outcome(1, status=204))
        assert (second.event_id, second.payload, second.attempt) == (first.event_id, first.payload, 1)
        assert any_client.get(path).json()["items"][0]["state"] == "delivered"

    def test_what_is_being_sent_meanwhile_does_not_undo_it(self, any_client, add, happen, database):
        path = f"/v1/webhooks/{add()['id']}/deliveries"
        happen()
        with database.transaction() as session:
            mine = due.claim(session, hold=timedelta(minutes=1))
        any_client.post(f"{path}/{mine.id}/redeliver")
        with database.transaction() as session:
            due.note(session, mine, Outcome(1, status=200), jitter=0)
        assert any_client.get(path).json()["items"][0]["state"] == "pending"

    @pytest.mark.parametrize("id", ["x", "dlv_00000000000000000000000000", "evt_00000000000000000000000000"])
    def test_unknown(self, any_client, add, id):
        webhook = add()["id"]
        response = any_client.post(f"/v1/webhooks/{webhook}/deliveries/{id}/redeliver")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_delivery")

    def test_not_of_another_webhook(self, any_client, add, happen, deliveries):
        add()
        happen()
        other, [row] = add()["id"], deliveries()
        assert any_client.post(f"/v1/webhooks/{other}/deliveries/{row.id}/redeliver").status_code == 404

    def test_not_to_one_that_is_disabled(self, any_client, add, happen, send, database):
        webhook = add()["id"]
        happen()
        mine = send(Outcome(1, status=410, error="Gone."))
        assert any_client.get(f"/v1/webhooks/{webhook}").json()["disabled_at"]
        response = any_client.post(f"/v1/webhooks/{webhook}/deliveries/{mine.id}/redeliver")
        assert (response.status_code, response.json()["code"]) == (409, "webhook_disabled")


class TestOwners:
    def test_each_sees_their_own(self, any_client, header_of, happen, deliveries, database):
        ann, bob, admin = header_of("ann"), header_of("bob"), header_of("root", Scope.ADMIN)
        webhook = any_client.post("/v1/webhooks", json={"url": URL}, headers=ann).json()
        assert webhook["owner"] == "ann"
        happen("ann")
        [row] = deliveries()
        own, mine = f"/v1/webhooks/{webhook['id']}", f"/v1/webhooks/{webhook['id']}/deliveries"
        for method, path in [
            ("GET", own), ("DELETE", own), ("GET", mine), ("POST", f"{mine}/{row.id}/redeliver"),
        ]:  # fmt: skip
            response = any_client.request(method, path, headers=bob)
            assert (response.status_code, response.json()["code"]) == (404, "unknown_webhook"), path
        assert any_client.get("/v1/webhooks", headers=bob).json()["items"] == []
        for header in (ann, admin):
            items = any_client.get("/v1/webhooks", headers=header).json()["items"]
            assert [item["id"] for item in items] == [webhook["id"]]
        with database.reading() as session:
            assert session.get(WebhookTable, webhook["id"])
            assert session.get(WebhookDeliveryTable, row.id).attempts == 0

    def test_a_key_for_reading_makes_none(self, any_client, header_of):
        response = any_client.post("/v1/webhooks", json={"url": URL}, headers=header_of("ann", Scope.READ))
        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")

    def test_through_the_api_from_the_job_to_the_delivery(self, any_client, header_of, deliveries, database):
        ann = header_of("ann")
        any_client.post("/v1/webhooks", json={"url": URL, "events": ["job.cancelled"]}, headers=ann)
        spec = {"kind": "training", "dataset": "digits", "architecture": "mlp"}
        job = any_client.post("/v1/jobs", json=spec, headers=ann).json()["id"]
        any_client.post(f"/v1/jobs/{job}/cancel", headers=ann)
        any_client.post(f"/v1/jobs/{job}/cancel", headers=ann)  # asking twice is asking once
        assert [row.type for row in deliveries()] == ["job.cancelled"]
        with database.reading() as session:
            assert session.get(JobTable, job).state == "cancelled"
