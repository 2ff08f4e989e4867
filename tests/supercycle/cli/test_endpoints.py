"""The commands against the real service over real HTTP: together they ask everything that it answers."""

import hashlib
import json
import re
import threading
import time
import zipfile
from datetime import UTC, datetime

import pytest
import uvicorn
from sqlalchemy import select
from typer.testing import CliRunner

from app.db.tables import ArtifactTable, DatasetTable, ModelFileTable, ModelTable
from app.ids import new_id
from app.main import create_app
from supercycle.cli.app import app as commands

WEIGHTS = b"weights" * 1000
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
WORK = ("--dataset", "digits", "--architecture", "mlp", "--detach")
# For machines, not people; `doctor` asks readyz, and what lies below plots are artifacts, too.
NOT_COMMANDS = {"GET /healthz", "GET /metrics", "GET /readyz", "GET /v1/jobs/{job_id}/plots/{name}"}


class Service:
    """The app behind a real socket; remembers what it was asked."""

    def __init__(self, app, folder):
        self.parts, self._folder = app.state.parts, folder
        self.paths = app.openapi()["paths"]
        self.asked = set()
        self.answers = []

        async def remembering(scope, receive, send):
            if scope["type"] == "http":
                self.asked.add(self._template(scope["method"], scope["path"]))

            async def noting(message):
                if message["type"] == "http.response.start":
                    self.answers.append((scope["path"].rpartition("/")[2], message["status"]))
                await send(message)

            await app(scope, receive, noting)

        self._server = uvicorn.Server(uvicorn.Config(remembering, port=0, log_level="error", ws="none"))
        self._thread = threading.Thread(target=self._server.run)

    def start(self):
        self._thread.start()
        deadline = time.monotonic() + 30
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self):
        self._server.should_exit = True
        self._thread.join()

    def operations(self):
        return {f"{method.upper()} {path}" for path, methods in self.paths.items() for method in methods}

    def _template(self, method, path):
        fitting = [one for one in self.paths if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
        return f"{method} {min(fitting, key=lambda one: one.count('{'), default=path)}"

    def run(self, *arguments):
        found = CliRunner().invoke(commands, ["--url", self.url, *arguments])
        assert found.exit_code == 0, found.output
        return found.stdout

    def put_file(self, key):
        (self._folder / "file").write_bytes(WEIGHTS)
        self.parts.store.put(key, self._folder / "file")
        return {"key": key, "size": len(WEIGHTS), "sha256": SHA256, "media_type": "application/octet-stream"}

    def put_artifact(self, job_id):
        fields = self.put_file(f"jobs/{job_id}/1/curve.bin")
        with self.parts.database.transaction() as session:
            session.add(ArtifactTable(job_id=job_id, name="curve.bin", created_at=datetime.now(UTC), **fields))

    def put_preview(self, dataset):
        fields = self.put_file("datasets/1/preview.png")
        preview = {name: value for name, value in fields.items() if name != "media_type"}
        with self.parts.database.transaction() as session:
            row = session.scalars(select(DatasetTable).where(DatasetTable.name == dataset)).one()
            row.state, row.preview = "ready", preview

    def put_model(self):
        id = new_id("mdl")
        file = ModelFileTable(name="weights.safetensors", **self.put_file(f"models/{id}/weights.safetensors"))
        facts = {"job_id": new_id("job"), "name": "mlp on digits", "architecture": {"name": "mlp"}, "parameters": 7,
                 "image_size": 8, "channels": 1, "classes": ["a", "b"], "preprocessing": {"mean": [0.5]},
                 "dataset": {"name": "digits"}, "metrics": {"validation_accuracy": 0.9}, "epoch": 3}  # fmt: skip
        with self.parts.database.transaction() as session:
            session.add(ModelTable(id=id, created_at=datetime.now(UTC), files=[file], **facts))
        return id


@pytest.fixture
def real(sqlite_settings, queue, tmp_path):
    """The real service."""
    service = Service(create_app(sqlite_settings, queue=queue), tmp_path)
    service.start()
    yield service
    service.stop()


class TestEveryEndpoint:
    def test_has_a_command(self, real, tmp_path):
        job = json.loads(real.run("train", *WORK, "--json"))["id"]
        assert job in real.run("jobs", "--limit", "300")
        assert "kind        training" in real.run("show", job)
        assert real.run("pause", job).startswith(f"{job} paused")
        assert real.run("resume", job).startswith(f"{job} queued")
        assert real.run("cancel", job) == f"{job} cancelled\n"
        assert job in real.run("retry", job, "--detach", "--json")  # as its source
        assert job in real.run("clone", job, "--detach", "--json")
        assert "queued" in real.run("events", job)
        assert real.run("metrics", job, "--csv").startswith("step,learning_rate")
        assert "cancelled" in real.run("logs", job)
        real.put_artifact(job)
        assert "curve.bin\t7000 bytes" in real.run("artifacts", job)
        real.run("download", job, "--to", str(tmp_path / "out"))
        assert (tmp_path / "out" / "curve.bin").read_bytes() == WEIGHTS
        assert real.run("delete", job) == f"{job} deleted\n"

        model = real.put_model()
        assert model in real.run("models", "list")
        assert "weights.safetensors  7000 bytes" in real.run("models", "show", model)
        real.run("models", "download", model, "--to", str(tmp_path / "model"))
        assert (tmp_path / "model" / "weights.safetensors").read_bytes() == WEIGHTS
        assert real.run("models", "delete", model) == f"{model} deleted\n"

        with zipfile.ZipFile(tmp_path / "cats.zip", "w") as archive:
            archive.writestr("tabby/1.png", b"png")
        assert "validating" in real.run("datasets", "add", "cats", str(tmp_path / "cats.zip"))
        assert "cats\tuploaded" in real.run("datasets", "list")
        assert "name    digits" in real.run("datasets", "show", "digits")
        real.put_preview("cats")
        picture = tmp_path / "cats.png"
        assert f"its picture is in {picture}" in real.run("datasets", "show", "cats", "--preview", str(picture))
        assert picture.read_bytes() == WEIGHTS
        real.run("datasets", "delete", "cats")

        assert "resnet9" in real.run("architectures")
        assert "resnet9:width=" in real.run("architectures", "resnet9")
        rows = real.run("schedule", "preview", "--max-lr", "0.4", "--steps", "1000", "--set", "schedule.up=0.3")
        assert max(float(row.split("\t")[1]) for row in rows.splitlines()[1:]) == pytest.approx(0.4, rel=1e-3)
        self.webhooks(real)
        assert real.operations() - real.asked == NOT_COMMANDS
        assert real.asked <= real.operations()

    def webhooks(self, real):
        """Every command on them; nothing is sent, as no keeper runs."""
        webhook = json.loads(real.run("webhooks", "add", "https://receiver.example/", "--json"))["id"]
        assert webhook in real.run("webhooks", "list")
        job = json.loads(real.run("train", *WORK, "--json"))["id"]
        real.run("cancel", job)
        (delivery,) = json.loads(real.run("webhooks", "deliveries", webhook, "--json"))
        assert delivery["type"] == "job.cancelled"
        real.run("webhooks", "redeliver", webhook, delivery["id"])
        real.run("webhooks", "delete", webhook)


class TestDownload:
    def test_what_an_earlier_run_had_is_taken_up(self, real, tmp_path):
        job = json.loads(real.run("train", *WORK, "--json"))["id"]
        real.put_artifact(job)
        (tmp_path / f".curve.bin.{SHA256[:16]}.part").write_bytes(WEIGHTS[:3000])
        real.run("download", job, "--to", str(tmp_path))
        assert ("curve.bin", 206) in real.answers
        assert (tmp_path / "curve.bin").read_bytes() == WEIGHTS


class TestRefusals:
    def test_of_a_schedule_name_its_options(self, real):
        found = CliRunner().invoke(
            commands, ["--url", real.url, "schedule", "preview", "--max-lr", "-1", "--steps", "10"]
        )
        assert found.exit_code == 3
        assert "--max-lr" in found.stderr

    def test_of_deleting_a_job_that_goes_on(self, real):
        job = json.loads(real.run("train", *WORK, "--json"))["id"]
        found = CliRunner().invoke(commands, ["--url", real.url, "delete", job])
        assert found.exit_code == 3
        assert job in real.run("jobs")
