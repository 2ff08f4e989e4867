"""Pages of every list: cursors, and the header that leads from one page to the next."""

import base64
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from app.db.tables import DatasetTable, ModelTable, WebhookDeliveryTable, WebhookTable
from app.errors import Unprocessable
from app.ids import new_id
from app.paging import decode_cursor, encode_cursor

ROWS = 5
NOW = datetime.now(UTC)
LISTS = {
    "job": "/v1/jobs",
    "ds": "/v1/datasets",
    "mdl": "/v1/models",
    "whk": "/v1/webhooks",
    "dlv": "/v1/webhooks/{}/deliveries",
}


class TestCursor:
    @pytest.mark.parametrize("prefix", ["job", "mdl", "ds"])
    def test_there_and_back(self, prefix):
        id = new_id(prefix)
        assert decode_cursor(encode_cursor(id)) == id

    @pytest.mark.parametrize(
        "cursor",
        ["", "?", "job_x", "a", "é", "AAAA", "aGVsbG8=", base64.b64encode(b"\xff" * 9).decode(),
         base64.b64encode(b"job_" + b"0" * 25 + b"\0").decode()],
    )  # fmt: skip
    def test_not_one_of_ours(self, cursor):
        with pytest.raises(Unprocessable) as caught:
            decode_cursor(cursor)
        assert [error.parameter for error in caught.value.errors] == ["cursor"]


class TestLists:
    @pytest.fixture
    def lists(self, any_client, put_job):
        """The ids of the things in each list, oldest first, by its address."""
        database = any_client.app.state.parts.database
        ids = {kind: [new_id(kind) for _ in range(ROWS)] for kind in LISTS}
        hook = ids["whk"][0]
        usual = {"architecture": {}, "classes": [], "preprocessing": {}, "dataset": {}, "metrics": {}}
        usual |= {"parameters": 1, "image_size": 8, "channels": 1, "epoch": 1}
        sent = {"event_id": "evt_x", "type": "job.failed", "payload": "{}", "state": "failed"}
        for id in ids["job"]:
            put_job(database, id=id)
        with database.transaction() as session:
            for id in ids["mdl"]:
                session.add(ModelTable(id=id, job_id="job_x", name="m", created_at=NOW, **usual))
            for id in ids["whk"]:
                session.add(WebhookTable(id=id, owner="ann", url="https://a", events=[], secret="", created_at=NOW))
            for id in ids["ds"]:
                row = DatasetTable(id=id, name=id, kind="uploaded", state="validating", path="/x", created_at=NOW)
                session.add(row)
            session.flush()
            for id in ids["dlv"]:
                session.add(WebhookDeliveryTable(id=id, webhook_id=hook, created_at=NOW, **sent))
        return {address.format(hook): ids[kind] for kind, address in LISTS.items()}

    @pytest.mark.parametrize("limit", [1, 2, ROWS, ROWS + 1, 200])
    def test_lead_from_page_to_page_and_show_each_item_once(self, any_client, lists, limit):
        for path, ids in lists.items():
            seen, address = [], f"{path}?limit={limit}"
            while address:
                response = any_client.get(address)
                page = response.json()
                assert 1 <= len(page["items"]) <= limit
                seen += [item["id"] for item in page["items"]]
                address = response.links.get("next", {}).get("url")
                assert parse_qs(urlsplit(address or "").query).get("cursor", [None]) == [page["next_cursor"]]
            assert [id for id in seen if id in ids] == ids[::-1], path
            assert len(seen) == len(set(seen)), path
            if path != "/v1/datasets":  # which begins with the built-in ones
                assert len(seen) == ROWS, path

    def test_the_link_keeps_what_was_asked_for(self, any_client, put_job):
        for _ in range(3):
            put_job(any_client.app.state.parts.database, tags=["a", "b"])
        link = any_client.get("/v1/jobs?tag=a&limit=2&tag=b").links["next"]["url"]
        assert link.startswith("/v1/jobs?tag=a&limit=2&tag=b&cursor=")

    @pytest.mark.parametrize("path", LISTS.values())
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("limit=0", "out_of_range"),
            ("limit=201", "out_of_range"),
            ("limit=x", "wrong_type"),
            ("cursor=x", "invalid_cursor"),
        ],
    )
    def test_bounds(self, shared_client, path, query, code):
        response = shared_client.get(f"{path.format(new_id('whk'))}?{query}")
        assert response.status_code == 422
        errors = response.json()["errors"]
        assert [(error["parameter"], error["code"]) for error in errors] == [(query.split("=")[0], code)]
