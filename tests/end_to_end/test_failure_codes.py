"""What a job's error says when the worker's machine, its disk or its data are at fault, in the whole service."""

import io
import os
import shutil
import signal
import subprocess
import time
import zipfile
from contextlib import suppress

import pytest
from PIL import Image

pytestmark = pytest.mark.verify

SPEC = {
    "kind": "training", "dataset": "digits", "architecture": {"name": "mlp", "width": 64}, "epochs": 1,
    "precision": "fp32", "compile": "off", "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip


def pictures():
    """Dark and light ones, 20 of each, as a zip."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for kind, level in (("dark", 60), ("light", 200)):
            for number in range(20):
                picture = io.BytesIO()
                Image.new("L", (8, 8), level + number).save(picture, "PNG")
                file.writestr(f"{kind}/{number}.png", picture.getvalue())
    return archive.getvalue()


@pytest.fixture
def run(http):
    """Submit a job and return it once it has ended; `meanwhile` is called again and again."""

    def work(meanwhile=lambda job: None, **changes):
        answer = http.post("/v1/jobs", json=SPEC | changes)
        assert answer.status_code == 202, answer.text
        job, deadline = answer.json(), time.monotonic() + 90
        while not job["finished_at"]:
            assert time.monotonic() < deadline, job
            meanwhile(job)
            time.sleep(0.02)
            job = http.get(job["links"]["self"]).json()
        return job

    return work


@pytest.fixture
def add_pictures(http, service):
    """Upload a data set and wait until it was checked; returns its folder."""

    def add(name):
        answer = http.post("/v1/datasets", data={"name": name}, files={"file": ("a.zip", pictures())})
        dataset, deadline = answer.json(), time.monotonic() + 60
        while dataset["state"] == "validating":
            assert time.monotonic() < deadline, dataset
            time.sleep(0.05)
            dataset = http.get(f"/v1/datasets/{name}").json()
        assert dataset["state"] == "ready", dataset
        return service.data_dir / "datasets" / "uploaded" / dataset["id"]

    return add


class TestTrainingProcess:
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGSEGV, "native_crash"), (signal.SIGKILL, "worker_lost")])
    def test_ended_by_a_signal(self, run, service, number, code):
        def shoot(job):
            if job["progress"]["step"] > 0:
                with suppress(LookupError):  # it is gone already
                    os.kill(service.training_pid(), number)

        job = run(shoot, epochs=10_000, max_attempts=1)
        assert (job["state"], job["error"]["code"], job["error"]["retryable"]) == ("failed", code, True)
        assert number.name in job["error"]["detail"]
        assert job["error"]["hint"]


class TestDataset:
    def vanish(self, folder):
        shutil.rmtree(folder)

    def lose_one(self, folder):
        next(folder.rglob("*.png")).unlink()

    def change_one(self, folder):
        Image.new("L", (8, 8), 3).save(next(folder.rglob("*.png")))

    @pytest.mark.parametrize("harm", ["vanish", "lose_one", "change_one"])
    def test_no_more_what_was_checked(self, run, add_pictures, harm):
        name = harm.replace("_", "-")
        folder = add_pictures(name)
        getattr(self, harm)(folder)
        job = run(dataset=name, batch_size=4, max_attempts=3)
        assert (job["state"], job["error"]["code"], job["attempts"]) == ("failed", "dataset_invalid", 1)
        assert name in job["error"]["detail"]
        assert str(folder) not in str(job["error"])


class TestFullDisk:
    @pytest.fixture
    def small(self, service, tmp_path):
        """Put a disk of so many KiB under what trainings write."""
        place = service.data_dir / "attempts"
        place.mkdir(exist_ok=True)

        def mount(size):
            command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)]
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("a small disk cannot be mounted here: that takes root")

        yield mount
        subprocess.run(["umount", str(place)], check=True)

    @pytest.mark.parametrize("size", [8, 1024], ids=["no room for pictures", "no room for weights"])
    def test_ends_the_job_with_its_code(self, run, small, http, size):
        small(size)
        wide = {"name": "mlp", "width": 1024}  # 4.5 MB of weights, beside 400 KB of pictures
        job = run(architecture=wide, max_attempts=1)
        assert (job["state"], job["error"]["code"]) == ("failed", "storage_full"), job["error"]
        assert job["error"]["hint"]
        assert http.get("/v1/models").json()["items"] == []
