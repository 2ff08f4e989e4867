"""What a real worker leaves of the jobs it worked off: log lines that name them, and their speed and memory."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.config import Settings
from app.db.migrate import upgrade
from app.db.session import Database
from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.domain.specs import parse_spec
from app.ids import new_id
from app.jobs.repository import JobRepository

pytestmark = pytest.mark.verify

ROOT = Path(__file__).parents[2]
SPEC = {
    "kind": "training", "dataset": "digits", "architecture": "mlp", "epochs": 2, "compile": "off", "precision": "fp32",
    "schedule": {"policy": "one_cycle", "max_lr": 0.05},
}  # fmt: skip


def add_job(database, *, name):
    spec = parse_spec(SPEC).model_dump(mode="json")
    job = JobTable(id=new_id("job"), kind="training", state="queued", spec=spec, dataset_id="digits", name=name)
    job.created_at = datetime.now(UTC)
    with database.transaction() as session:
        JobRepository(session).add(job)
    return job.id


@pytest.fixture(scope="module")
def worked_off(tmp_path_factory, _clean_environment):
    """Two jobs, of which the second finds a folder where its picture is to be, and what the worker logged."""
    folder = tmp_path_factory.mktemp("worker")
    settings = Settings(data_dir=folder / "data")
    upgrade(settings)
    database = Database(settings.database)
    ids = [add_job(database, name='good\n{"level": "forged"}'), add_job(database, name="bad")]
    (settings.folder("attempts") / ids[1] / "1" / "loss.png").mkdir(parents=True)
    lines = run_worker(folder, until=lambda: all(JobState(job.state).ended for job in read(database, ids)))
    yield read(database, ids), lines
    database.dispose()


def read(database, ids):
    with database.reading() as session:
        return [session.get(JobTable, id) for id in ids]


def run_worker(folder, *, until):
    """The lines on its standard error."""
    environment = os.environ | {"SUPERCYCLE_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "worker", "--devices", "cpu", "--name", "host:0"]
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen(command, stderr=log, env=environment, cwd=folder)
    try:
        deadline = time.monotonic() + 100
        while not until():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            assert worker.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        worker.terminate()
        worker.wait(timeout=20)
    finally:
        worker.kill()
        worker.wait()
    return (folder / "log").read_text().splitlines()


class TestLog:
    def test_every_line_is_one_json_object(self, worked_off):
        _, lines = worked_off
        facts = [json.loads(line) for line in lines]
        assert {line["part"] for line in facts} == {"worker", "training"}
        assert all({"timestamp", "level", "event"} <= line.keys() for line in facts)

    def test_lines_of_a_job_name_it_and_its_fence(self, worked_off):
        jobs, lines = worked_off
        told = {job.id: [] for job in jobs}
        for line in map(json.loads, lines):
            if "job_id" in line:
                told[line["job_id"]].append((line["part"], line["fence"], line["event"]))
        assert told[jobs[0].id] == [("worker", 1, "job claimed"), ("worker", 1, "attempt ended")]
        assert told[jobs[1].id] == [
            ("worker", 1, "job claimed"),
            ("training", 1, "the training met an error it did not foresee"),
            ("worker", 1, "attempt ended"),
        ]

    def test_the_traceback_of_a_training_is_in_its_line(self, worked_off):
        jobs, lines = worked_off
        (line,) = [line for line in map(json.loads, lines) if line["part"] == "training"]
        assert "IsADirectoryError" in line["exception"]
        assert (jobs[1].state, jobs[1].error["code"]) == ("failed", "internal_error")


class TestProgress:
    def test_speed_and_memory_stay_with_the_job(self, worked_off):
        job = worked_off[0][0]
        assert job.state == "succeeded", job.error
        assert job.progress["step"] == 22  # 2 epochs of 11 steps
        assert job.progress["steps_per_second"] > 1
        assert 50 << 20 < job.progress["memory_bytes"] < 64 << 30  # torch alone takes more than the first
