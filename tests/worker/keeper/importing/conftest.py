"""A keeper that imports: jobs for it, and children that do as the real one would."""

import sys
import time
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from app.db.tables import JobTable
from app.domain.lifecycle import JobState
from app.ids import stable_id
from worker.keeper import import_desk
from worker.keeper.import_desk import ImportDesk
from worker.keeper.imports import Importer

# Does as the real child would, without torch, which takes seconds to load: what, a test writes into a file.
CHILD = """
import json, pathlib, shutil, sys, time
request, told = json.loads(sys.stdin.readline()), pathlib.Path({told!r})
with open({count!r}, "a") as file:
    print(request["name"], file=file)
if told.suffix == ".npz":
    print(json.dumps({{"phase": "downloading"}}), flush=True)
    print(json.dumps({{"note": "Downloading a, 7 bytes."}}), flush=True)
    print(json.dumps({{"progress": [7, 7]}}), flush=True)
    folder = pathlib.Path(request["folder"], "set")
    folder.mkdir()
    shutil.copy(told, folder)
    print(json.dumps({{"fetched": {{"bytes": told.stat().st_size}}}}))
else:
    print(told.read_text(), flush=True)
    time.sleep(60 if "phase" in told.read_text() else 0)
"""
FAILED = '{"failed": {"code": "download_failed", "title": "t", "detail": "d", "hint": "h", "retryable": true}}'


@pytest.fixture
def child(monkeypatch, tmp_path):
    """What the children do, and how many there were."""

    class Child:
        def hands_over(self, labels=(0, 1) * 10):
            images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8), dtype=np.uint8)
            np.savez(tmp_path / "a.npz", images=images, labels=labels)
            self._does(tmp_path / "a.npz")

        def fails(self):
            (tmp_path / "says").write_text(FAILED)
            self._does(tmp_path / "says")

        def hangs(self):
            (tmp_path / "says").write_text('{"phase": "downloading"}')
            self._does(tmp_path / "says")

        def _does(self, told):
            (tmp_path / "child.py").write_text(CHILD.format(told=str(told), count=str(tmp_path / "count")))

        def count(self):
            return len((tmp_path / "count").read_text().split()) if (tmp_path / "count").exists() else 0

    monkeypatch.setattr(import_desk, "CHILD", [sys.executable, "-I", str(tmp_path / "child.py")])
    monkeypatch.setattr("app.jobs.claims.BACKOFF", [timedelta(seconds=0.05)] * 3)
    child = Child()
    child.hands_over()
    return child


@pytest.fixture
def submitted(queued):
    def submit(name="USPS", **columns):
        spec = {"kind": "dataset_import", "dataset": name}
        return queued(kind="dataset_import", spec=spec, dataset_id=stable_id("ds", name), **columns)

    return submit


@pytest.fixture
def house(database, settings, store):
    """A keeper's desk and its checks, which go round until something is so."""

    class House:
        def __init__(self):
            self.desk = ImportDesk(database, settings)
            self.importer = Importer(database, store)

        def jobs(self):
            with database.reading() as session:
                return session.scalars(select(JobTable).order_by(JobTable.id)).all()

        def until(self, condition, *, seconds=60):
            deadline = time.monotonic() + seconds
            while not condition():
                assert time.monotonic() < deadline, [(job.state, job.phase, job.error) for job in self.jobs()]
                self.desk.advance()
                self.importer.advance()
                time.sleep(0.01)

        def run(self):
            """All jobs to their ends; the last of them."""
            self.until(lambda: all(JobState(job.state).ended for job in self.jobs()))
            self.desk.advance()
            return self.jobs()[-1]

        def stop(self):
            self.desk.stop()
            self.importer.stop()

    house = House()
    yield house
    house.stop()
