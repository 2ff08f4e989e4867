"""Deleting a job takes its history, artifacts and files; its model stays."""

from datetime import UTC, datetime

from sqlalchemy import select

from app.artifacts.store import StoreUnavailable
from app.db.tables import ArtifactTable, JobEventTable, JobTagTable, ModelTable
from app.ids import new_id


class TestWhatGoes:
    def test_rows_and_objects_but_not_the_model(self, any_client, put_job, tmp_path):
        parts = any_client.app.state.parts
        id, other, model = (
            put_job(parts.database, state="succeeded", tags=["x"]),
            put_job(parts.database),
            new_id("mdl"),
        )
        now = datetime.now(UTC)
        (tmp_path / "file").write_bytes(b"data")
        keys = [f"jobs/{id}/1/a.png", f"jobs/{id}/2/a.png", f"jobs/{other}/1/a.png", f"models/{model}/weights"]
        for key in keys:
            parts.store.put(key, tmp_path / "file")
        facts = {"size": 4, "sha256": "x", "media_type": "image/png", "created_at": now}
        empty = {"architecture": {}, "preprocessing": {}, "dataset": {}, "metrics": {}, "classes": []}
        with parts.database.transaction() as session:
            session.add(ArtifactTable(job_id=id, name="a.png", key=keys[1], **facts))
            session.add(
                ModelTable(id=model, job_id=id, name="m", parameters=1, image_size=8, channels=1, epoch=1,
                           created_at=now, files=[], **empty)
            )  # fmt: skip
        assert any_client.delete(f"/v1/jobs/{id}").status_code == 204
        assert [parts.store.exists(key) for key in keys] == [False, False, True, True]
        with parts.database.reading() as session:
            for table in (ArtifactTable, JobTagTable):
                assert session.scalars(select(table)).all() == []
            assert session.scalars(select(JobEventTable.job_id)).all() == [other]
        assert any_client.get(f"/v1/models/{model}").json()["job_id"] == id
        assert any_client.delete(f"/v1/jobs/{id}").status_code == 404


class TestStoreDown:
    def test_the_job_is_gone_all_the_same(self, client, put_job, parts, monkeypatch):
        def fail(_, prefix):
            asked.append(prefix)
            raise StoreUnavailable("It does not answer.", "Wait.")

        asked = []
        monkeypatch.setattr(type(parts.store), "delete_below", fail)
        id = put_job(parts.database, state="succeeded")
        assert client.delete(f"/v1/jobs/{id}").status_code == 204
        assert asked == [f"jobs/{id}/"]
        assert client.get(f"/v1/jobs/{id}").status_code == 404
