"""Models over HTTP: pages, one, its files, and its end."""

import hashlib
from datetime import UTC, datetime

import pytest

from app.db.tables import JobTable, ModelFileTable, ModelTable
from app.ids import new_id

WEIGHTS = b"weights" * 1000


@pytest.fixture
def put_model(parts, tmp_path):
    """A model with its two files; returns its id."""

    def put(**columns):
        id = new_id("mdl")
        (tmp_path / "file").write_bytes(WEIGHTS)
        files = []
        media_types = {"weights.safetensors": "application/octet-stream", "config.json": "application/json"}
        for name, media_type in media_types.items():
            key = f"models/{id}/{name}"
            parts.store.put(key, tmp_path / "file")
            digest = hashlib.sha256(WEIGHTS).hexdigest()
            files.append(ModelFileTable(name=name, key=key, size=len(WEIGHTS), sha256=digest, media_type=media_type))
        facts = {"job_id": new_id("job"), "name": "mlp on digits", "architecture": {"name": "mlp"}, "parameters": 7,
                 "image_size": 8, "channels": 1, "classes": ["a", "b"], "preprocessing": {"mean": [0.5]},
                 "dataset": {"name": "digits"}, "metrics": {"validation_accuracy": 0.9}, "epoch": 3}  # fmt: skip
        with parts.database.transaction() as session:
            session.add(ModelTable(id=id, created_at=datetime.now(UTC), files=files, **facts | columns))
        return id

    return put


class TestGet:
    def test_shape(self, client, put_model):
        id = put_model(job_id="job_1")
        model = client.get(f"/v1/models/{id}").json()
        assert model.pop("created_at").endswith("Z")
        digest = hashlib.sha256(WEIGHTS).hexdigest()
        assert model == {
            "id": id,
            "owner": "admin",
            "job_id": "job_1",
            "name": "mlp on digits",
            "architecture": {"name": "mlp"},
            "parameters": 7,
            "image_size": 8,
            "channels": 1,
            "classes": ["a", "b"],
            "preprocessing": {"mean": [0.5]},
            "dataset": {"name": "digits"},
            "metrics": {"validation_accuracy": 0.9},
            "epoch": 3,
            "files": [
                {"name": name, "size": len(WEIGHTS), "sha256": digest, "href": f"/v1/models/{id}/files/{name}"}
                for name in ("config.json", "weights.safetensors")
            ],
        }


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "disposition"), [("weights.safetensors", "attachment"), ("config.json", "inline")]
    )
    def test_download(self, client, put_model, name, disposition):
        url = f"/v1/models/{put_model()}/files/{name}"
        response = client.get(url)
        assert response.content == WEIGHTS
        assert response.headers["content-disposition"] == f'{disposition}; filename="{name}"'
        part = client.get(url, headers={"Range": "bytes=7-13"})
        assert (part.status_code, part.content) == (206, b"weights")
        assert client.get(url, headers={"If-None-Match": response.headers["etag"]}).status_code == 304

    def test_one_that_is_not_there(self, client, put_model):
        response = client.get(f"/v1/models/{put_model()}/files/model.pt")
        assert (response.status_code, response.json()["code"]) == (404, "unknown_file")
        assert "config.json, weights.safetensors" in response.json()["hint"]


class TestDelete:
    def test_files_go_with_it(self, client, put_model, parts):
        id, other = put_model(), put_model()
        assert client.delete(f"/v1/models/{id}").status_code == 204
        assert client.get(f"/v1/models/{id}").status_code == 404
        assert client.delete(f"/v1/models/{id}").status_code == 404
        assert not parts.store.exists(f"models/{id}/config.json")
        assert parts.store.exists(f"models/{other}/config.json")
        assert [item["id"] for item in client.get("/v1/models").json()["items"]] == [other]


class TestItsJob:
    def test_names_it_no_longer(self, client, put_model, put_job, parts):
        job = put_job(parts.database, state="succeeded")
        model = put_model(job_id=job)
        with parts.database.transaction() as session:
            session.get(JobTable, job).model_id = model
        before = client.get(f"/v1/jobs/{job}")
        assert before.json()["links"]["model"] == f"/v1/models/{model}"
        assert client.delete(f"/v1/models/{model}").status_code == 204
        after = client.get(f"/v1/jobs/{job}", headers={"If-None-Match": before.headers["etag"]})
        assert after.status_code == 200
        assert (after.json()["model_id"], after.json()["links"]["model"]) == (None, None)

    def test_keeps_a_newer_one(self, client, put_model, put_job, parts):
        newer = new_id("mdl")
        job = put_job(parts.database, state="succeeded", model_id=newer)
        assert client.delete(f"/v1/models/{put_model(job_id=job)}").status_code == 204
        assert client.get(f"/v1/jobs/{job}").json()["model_id"] == newer
