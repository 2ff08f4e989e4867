"""Has the reports of plans made, one at a time, in a child with limits, and ends the plan with what comes of it."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import structlog
from sqlalchemy import delete

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.db.session import DATABASE_DOWN, Database
from app.db.tables import ArtifactTable, JobTable
from app.domain.lifecycle import JobState, Verb
from app.domain.plans import plan_of
from app.domain.specs import parse_plan_spec
from app.jobs.family import Family
from app.jobs.repository import JobRepository, NewEvent
from worker.keeper.children import kill, start
from worker.reports.records import record_of
from worker.reports.request import MEDIA_TYPES, Request
from worker.storing import put_patiently

log = structlog.get_logger()

WALL_TIME = timedelta(minutes=10)
MOST_TRIES = 3
CHILD = [sys.executable, "-I", "-m", "worker.reports"]


@dataclass(slots=True)
class _Report:
    """One that is being made."""

    job_id: str
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    folder: Path
    deadline: float

    def end(self) -> None:
        """Stop it, and leave nothing of it behind."""
        kill(self.process)
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class ReportDesk:
    """A plan whose jobs have all ended waits here for its report."""

    def __init__(self, database: Database, store: ArtifactStore, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._waiting: deque[str] = deque()
        self._tries: dict[str, int] = {}
        self._running: _Report | None = None

    def want(self, jobs: JobRepository, job: JobTable) -> None:
        """Ask for the report of a plan, once; its row is locked. One of which nothing has succeeded fails instead."""
        is_known = job.id in self._waiting or (self._running is not None and self._running.job_id == job.id)
        if is_known:
            return
        family = Family(jobs.session, job)
        if not plan_of(parse_plan_spec(job.spec)).has_outcome(family.children()):
            jobs.move(job, JobState.FAILED, error=nothing_succeeded(family.rows()))
            return
        if job.phase != "reporting":
            job.phase = "reporting"
            jobs.append(job, [NewEvent("phase", {"phase": "reporting"})])
        self._waiting.append(job.id)

    def look(self) -> None:
        """End a report that is over, and begin the next."""
        running = self._running
        if running is not None and (running.process.poll() is not None or time.monotonic() > running.deadline):
            self._running = None  # first: whatever happens to it, it must not hold up the others
            self._take(running)
        if self._running is None and self._waiting:
            self._running = self._begin(self._waiting.popleft())

    def drop(self, job_id: str) -> None:
        """It is not wanted any more."""
        if job_id in self._waiting:
            self._waiting.remove(job_id)
        if self._running is not None and self._running.job_id == job_id:
            self._running.end()
            self._running = None

    def stop(self) -> None:
        """Give up what is under way."""
        self._waiting.clear()
        self._tries.clear()
        if self._running is not None:
            self.drop(self._running.job_id)

    def fail(self, job_id: str, error: dict[str, Any]) -> None:
        """End a plan that cannot go on."""
        self.drop(job_id)
        with self._database.transaction() as session:
            jobs = JobRepository(session)
            job = jobs.lock(job_id)
            if job is None or job.state not in (JobState.QUEUED, JobState.RUNNING):
                return
            if job.state == JobState.QUEUED:  # it failed at its first step
                job.state = JobState.RUNNING
                jobs.note_start(job)
            jobs.move(job, JobState.FAILED, error=error | {"attempt": job.attempts})
            Family(session, job).ask(Verb.CANCEL)  # nobody else would

    def _begin(self, job_id: str) -> _Report | None:
        self._tries[job_id] = self._tries.get(job_id, 0) + 1
        folder = self._settings.folder("attempts") / job_id / "report"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with self._database.reading() as session:
            job = session.get(JobTable, job_id)
            if job is None or job.state != JobState.RUNNING:
                return None
            jobs = JobRepository(session)
            records = [record_of(child, jobs) for child in Family(session, job).rows()]
            facts = {"id": job.id, "name": job.name, "spec": job.spec, "resolved": job.resolved, "children": records}
        (folder / "request.json").write_text(json.dumps(facts), "utf-8")
        output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
        process = start(CHILD, Request(str(folder)), output, environment={"MPLCONFIGDIR": str(folder / ".matplotlib")})
        return _Report(job_id, process, output, folder, time.monotonic() + WALL_TIME.total_seconds())

    def _take(self, report: _Report) -> None:
        """What the child has left: files and the plan's result; or nothing, and it is tried again, or given up."""
        try:
            self._succeed(report, _result_of(report))
        except DATABASE_DOWN:
            self._tries[report.job_id] -= 1  # not the report's fault
            raise
        except Exception:
            log.exception("a report broke off", job_id=report.job_id, exit_code=report.process.returncode)
            if self._tries[report.job_id] >= MOST_TRIES:
                self.fail(report.job_id, REPORT_FAILED)
        finally:
            report.end()

    def _succeed(self, report: _Report, result: dict[str, Any]) -> None:
        rows = [self._stored(report, report.folder / name) for name in result.pop("files")]
        with self._database.transaction() as session:
            jobs = JobRepository(session)
            job = jobs.lock(report.job_id)
            if job is None or job.state != JobState.RUNNING:
                return
            session.execute(delete(ArtifactTable).where(ArtifactTable.job_id == job.id))
            session.add_all(rows)
            jobs.append(job, [NewEvent("artifact", {"name": row.name}) for row in rows])
            job.result = result
            jobs.move(job, JobState.SUCCEEDED)

    def _stored(self, report: _Report, path: Path) -> ArtifactTable:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        key = f"jobs/{report.job_id}/report/{digest[:16]}/{path.name}"
        put_patiently(self._store, key, path)
        facts = {"size": path.stat().st_size, "sha256": digest, "media_type": MEDIA_TYPES[path.suffix]}
        return ArtifactTable(job_id=report.job_id, name=path.name, key=key, created_at=datetime.now(UTC), **facts)


def _result_of(report: _Report) -> dict[str, Any]:
    """The last line that the child has said; raises RuntimeError where it broke off."""
    report.output.seek(0)
    last = report.output.read().splitlines()[-1:]
    if report.process.returncode != 0 or not last:
        raise RuntimeError("the process said nothing to the end")
    return dict(json.loads(last[0]))


REPORT_FAILED = {
    "code": "report_failed",
    "title": "The report could not be made",
    "detail": f"The process that makes it broke off {MOST_TRIES} times; its jobs are there, with their results.",
    "hint": "See the keeper's log, and GET /v1/jobs?parent_id= for the jobs.",
    "retryable": True,
}


def nothing_succeeded(children: list[JobTable]) -> dict[str, Any]:
    """The error of a plan that has nothing to report."""
    lost = [child for child in children if child.state != JobState.SUCCEEDED]
    first = next((child for child in lost if child.error), None)
    why = f" The first, {first.name}: {first.error['detail']}" if first is not None and first.error else ""
    return {
        "code": "no_child_succeeded",
        "title": "None of the jobs that the plan is about succeeded",
        "detail": f"{len(lost)} of {len(children)} failed or were cancelled.{why}",
        "hint": "GET /v1/jobs?parent_id= lists them with their errors.",
        "retryable": False,
        "attempt": 0,
    }
