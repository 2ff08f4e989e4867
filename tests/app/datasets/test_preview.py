"""The picture of a data set over HTTP: from its check to its end."""

from io import BytesIO
from unittest.mock import Mock

import pytest
from PIL import Image

from app.artifacts.store import StoreUnavailable
from worker.keeper.imports import Importer

PATH = "/v1/datasets/pets/preview.png"


@pytest.fixture
def checked(upload, check_all):
    """A set that passed."""
    id = upload().json()["id"]
    check_all()
    return id


def kept(store):
    return [found.key for page in store.pages("datasets/") for found in page]


class TestOnceChecked:
    def test_it_is_a_picture_of_the_classes(self, client, checked):
        response = client.get(PATH)
        assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
        assert response.headers["content-disposition"] == 'inline; filename="preview.png"'
        with Image.open(BytesIO(response.content)) as sheet:
            levels = {level for _, level in sheet.convert("L").getcolors(1 << 16)}
        assert {40, 200, 0} <= levels  # the cats, the dogs and what there is to test with

    def test_the_set_says_where_it_is(self, client, checked):
        found = client.get("/v1/datasets/pets").json()
        assert found["preview"] == f"/v1/datasets/{checked}/preview.png"
        assert client.get(found["preview"]).content == client.get(PATH).content
        assert client.get("/v1/datasets/digits").json()["preview"] is None

    def test_it_goes_with_the_set(self, client, store, checked):
        assert len(kept(store)) == 1
        assert client.delete("/v1/datasets/pets").status_code == 204
        assert kept(store) == []

    def test_a_storage_that_is_away_delays_the_verdict(self, client, upload, database, store, check_all, monkeypatch):
        upload()
        importer = Importer(database, store)
        importer.advance()
        importer._running.process.wait(60)
        with monkeypatch.context() as outage:
            outage.setattr(store, "put", Mock(side_effect=StoreUnavailable("it is away", "Wait.")))
            with pytest.raises(StoreUnavailable):
                importer.advance()
        assert client.get("/v1/datasets/pets").json()["state"] == "validating"
        assert importer.advance() is False
        assert client.get(PATH).status_code == 200


class TestWithout:
    def code(self, response):
        return response.status_code, response.json()["code"]

    def test_before_the_check(self, client, upload):
        upload()
        response = client.get(PATH)
        assert self.code(response) == (409, "not_ready")
        assert response.headers["retry-after"] == "2"

    def test_of_what_did_not_pass(self, client, upload, check_all, store):
        upload(files={"cat/0.png": b"no picture"})
        check_all()
        assert self.code(client.get(PATH)) == (404, "no_preview")
        assert client.get("/v1/datasets/pets").json()["preview"] is None
        assert kept(store) == []

    def test_of_built_in_ones(self, client):
        assert self.code(client.get("/v1/datasets/digits/preview.png")) == (404, "no_preview")

    def test_of_what_an_earlier_release_checked(self, client, upload, check_all, monkeypatch):
        upload()
        monkeypatch.setattr(Importer, "_stored_preview", lambda *_: None)
        check_all()
        assert "checked before there were pictures" in client.get(PATH).json()["detail"]
