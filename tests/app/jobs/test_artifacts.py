"""A job's files over HTTP: whole, in parts, and before and after there are any."""

import hashlib
from datetime import UTC, datetime

import pytest
from obstore.exceptions import GenericError

from app.artifacts.store import StoreUnavailable
from app.db.tables import ArtifactTable
from app.jobs.claims import Lease

DATA = bytes(range(256)) * 10


@pytest.fixture
def job(submit, parts, hand_of, tmp_path):
    """A claimed job with three files."""
    made = submit()
    lease = hand_of(parts.database).claim()
    assert lease == Lease(made["id"], 1)
    (tmp_path / "file").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    types = {"loss.png": "image/png", "loss.svg": "image/svg+xml", "curve.csv": "text/csv"}
    for name, media_type in types.items():
        key = f"jobs/{made['id']}/1/{name}"
        parts.store.put(key, tmp_path / "file")
        row = ArtifactTable(job_id=made["id"], name=name, key=key, size=len(DATA), sha256=digest,
                            media_type=media_type, created_at=datetime.now(UTC))  # fmt: skip
        with parts.database.transaction() as session:
            session.add(row)
    return made["links"]


class TestList:
    def test_shape(self, client, job):
        page = client.get(job["artifacts"]).json()
        assert [item["name"] for item in page["items"]] == ["curve.csv", "loss.png", "loss.svg"]
        item = page["items"][1]
        assert item.pop("created_at").endswith("Z")
        assert item == {
            "name": "loss.png",
            "size": len(DATA),
            "sha256": hashlib.sha256(DATA).hexdigest(),
            "media_type": "image/png",
            "href": f"{job['artifacts']}/loss.png",
        }
        assert client.get(item["href"]).content == DATA

    def test_the_job_links_to_its_plots(self, client, job):
        links = client.get(job["self"]).json()["links"]
        assert links["plots"] == {"loss": f"{job['self']}/plots/loss.png"}
        assert client.get(links["plots"]["loss"]).content == DATA


class TestSending:
    @pytest.mark.parametrize(
        ("place", "disposition", "media_type"),
        [
            ("plots/loss.png", 'inline; filename="loss.png"', "image/png"),
            ("plots/loss.svg", 'attachment; filename="loss.svg"', "image/svg+xml"),  # it may hold scripts
            ("artifacts/loss.svg", 'attachment; filename="loss.svg"', "image/svg+xml"),
            ("artifacts/curve.csv", 'attachment; filename="curve.csv"', "text/csv"),
        ],
    )
    def test_headers(self, client, job, place, disposition, media_type):
        response = client.get(f"{job['self']}/{place}")
        assert response.content == DATA
        assert response.headers["content-disposition"] == disposition
        assert response.headers["content-type"].startswith(media_type)
        assert response.headers["content-length"] == str(len(DATA))
        assert response.headers["accept-ranges"] == "bytes"
        assert response.headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
        assert response.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize(
        ("span", "part"), [("bytes=0-99", DATA[:100]), ("bytes=100-", DATA[100:]), ("bytes=-7", DATA[-7:])]
    )
    def test_a_range(self, client, job, span, part):
        response = client.get(f"{job['artifacts']}/loss.png", headers={"Range": span})
        assert (response.status_code, response.content) == (206, part)
        assert response.headers["content-length"] == str(len(part))
        start = DATA.index(part) if len(part) > 7 else len(DATA) - 7
        assert response.headers["content-range"] == f"bytes {start}-{start + len(part) - 1}/{len(DATA)}"

    def test_beyond_the_end(self, client, job):
        response = client.get(f"{job['artifacts']}/loss.png", headers={"Range": f"bytes={len(DATA)}-"})
        assert (response.status_code, response.headers["content-range"]) == (416, f"bytes */{len(DATA)}")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"] == "range_not_satisfiable"

    def test_conditions(self, client, job):
        url = f"{job['artifacts']}/loss.png"
        etag = client.get(url).headers["etag"]
        assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
        assert client.get(url, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
        whole = client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"older"'})
        assert (whole.status_code, whole.content) == (200, DATA)

    def test_one_that_the_storage_lost(self, client, job, parts):
        parts.store.delete_below("jobs/")
        response = client.get(f"{job['artifacts']}/loss.png")
        assert (response.status_code, response.json()["code"]) == (404, "file_lost")
        part = client.get(f"{job['artifacts']}/loss.png", headers={"Range": "bytes=0-1"})
        assert (part.status_code, part.json()["code"]) == (404, "file_lost")

    @pytest.mark.parametrize("error", [GenericError("no answer from secret.example"), StoreUnavailable("It", "secret")])
    def test_with_the_storage_down(self, client, job, parts, monkeypatch, error):
        def fail(*_):
            raise error

        monkeypatch.setattr(type(parts.store), "exists", fail)
        response = client.get(f"{job['artifacts']}/loss.png")
        assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
        assert "secret" not in response.text
        assert int(response.headers["retry-after"]) >= 1


class TestNotThere:
    @pytest.mark.parametrize(("kind", "code"), [("artifacts", "unknown_artifact"), ("plots", "unknown_plot")])
    def test_not_yet_then_never(self, client, submit, kind, code):
        links = submit()["links"]
        before = client.get(f"{links['self']}/{kind}/accuracy.png")
        assert (before.status_code, before.json()["code"]) == (409, "not_ready")
        assert int(before.headers["retry-after"]) >= 1
        client.post(f"{links['self']}/cancel")
        after = client.get(f"{links['self']}/{kind}/accuracy.png")
        assert (after.status_code, after.json()["code"]) == (404, code)
        assert "retry-after" not in after.headers

    def test_an_empty_list(self, client, submit):
        assert client.get(submit()["links"]["artifacts"]).json() == {"items": [], "next_cursor": None}
