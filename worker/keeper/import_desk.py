"""Works off `dataset_import` jobs, one at a time, in a child with limits; the keeper's loop looks in on it.

What was fetched becomes a data set for everybody, which is checked as an uploaded one is; the job ends when that has.
"""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import structlog

from app.config import Settings, network_environment
from app.datasets.repository import NOBODY, DatasetRepository
from app.db.session import Database
from app.db.tables import DatasetTable, JobTable
from app.disk import free_bytes
from app.domain.lifecycle import JobState
from app.domain.published import SETS
from app.ids import stable_id
from app.jobs.claims import Claimant, Claims, Lease, LeaseLost
from app.jobs.repository import NewEvent
from worker.datasets.errors import DownloadCorrupt, DownloadFailed, ImportBrokeOff, ImportTimedOut, ImportUnusable
from worker.engine.errors import EngineError
from worker.keeper.children import kill, start
from worker.keeper.fetch import PREPARED, Request, storage_full
from worker.time_limit import TimeLimit

log = structlog.get_logger()

WALL_TIME = timedelta(hours=12)
FOLDER = "datasets/imported"
PASSING = (DownloadFailed.code, DownloadCorrupt.code, ImportBrokeOff.code)  #: tried again without being asked
CHILD = [sys.executable, "-I", "-m", "worker.keeper.fetch"]


@dataclass(slots=True)
class _Import:
    """A job under way: first a child fetches, then the check of data sets is waited for."""

    lease: Lease
    name: str
    attempt: int
    limit: TimeLimit
    work: Path  #: a folder of this attempt's own, beside the one the set will have
    process: "subprocess.Popen[bytes] | None" = None
    output: IO[bytes] | None = None
    last_line: dict[str, Any] = field(default_factory=dict)
    phase: str = "preparing"
    progress: list[int | None] = field(default_factory=lambda: [0, None])
    read_bytes: int = 0
    unusable: Path | None = None  #: the folder of a set that did not pass
    untold: list[NewEvent] = field(default_factory=list)  #: not committed yet
    began: float = field(default_factory=time.monotonic)

    @property
    def dataset_id(self) -> str:
        """Of the set that comes of it."""
        return stable_id("ds", self.name)

    def news(self) -> list[NewEvent]:
        """What the child has said and nobody has stored; it notes how far it has come."""
        for line in self._lines():
            self.untold += self._heard(line)
        return self.untold

    def _lines(self) -> list[dict[str, Any]]:
        if self.output is None:
            return []
        self.output.seek(self.read_bytes)
        whole = self.output.read().rpartition(b"\n")[0]
        self.read_bytes += len(whole) + bool(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _heard(self, line: dict[str, Any]) -> list[NewEvent]:
        self.last_line = line
        if "phase" in line:
            return self.enter(line["phase"])
        if "progress" in line:
            self.progress = line["progress"]
        return [NewEvent("log", {"level": "info", "message": line["note"]})] if "note" in line else []

    def enter(self, phase: str) -> list[NewEvent]:
        """Begin a phase, with a bar of its own."""
        self.phase, self.progress = phase, [0, None]
        return [NewEvent("phase", {"phase": phase})]

    def show(self, job: JobTable) -> None:
        """Put into the row how far it has come."""
        done, total = self.progress
        share = round(min(1.0, (done or 0) / total), 4) if total else 0.0
        job.phase, job.progress = self.phase, {"step": done, "steps": total, "fraction": share}

    def end(self) -> None:
        """Stop the child and leave nothing of it behind."""
        if self.process is not None:
            kill(self.process)
        if self.output is not None:
            self.output.close()
        for folder in filter(None, (self.work, self.unusable)):
            shutil.rmtree(folder, ignore_errors=True)


class ImportDesk:
    """Claims imports and nothing else. A keeper that dies loses its lease, and the next one begins anew."""

    def __init__(self, database: Database, settings: Settings, *, wall_time: timedelta = WALL_TIME) -> None:
        self._database = database
        self._settings = settings
        self._wall_time = wall_time
        self._running: _Import | None = None

    def advance(self) -> bool:
        """Look in on the import under way, or begin the next; never waits. True while there is one."""
        if self._running is None:
            self._running = self._begin_next()
        elif not self._goes_on(self._running):
            self._put_away()
        return self._running is not None

    def stop(self) -> None:
        """Give an import under way back, for another keeper to do."""
        if self._running is None:
            return
        try:
            with self._database.transaction() as session:
                self._claims(session).give_back(self._running.lease)
        except LeaseLost:
            log.info("import was taken over", job_id=self._running.lease.job_id)
        finally:
            self._put_away()

    def _put_away(self) -> None:
        if self._running is not None:
            self._running.end()
            self._running = None

    def _claims(self, session: Any) -> Claims:  # noqa: ANN401
        return Claims(session, lease=self._settings.lease)

    def _begin_next(self) -> _Import | None:
        with self._database.transaction() as session:
            job = self._claims(session).claim(Claimant(f"{socket.gethostname()}:keeper", imports=True))
        if job is None:
            return None
        log.info("import begins", job_id=job.id, dataset=job.spec["dataset"])
        lease = Lease(job.id, job.fence)
        work = self._settings.folder(FOLDER) / f".import-{job.id}-{job.fence}"
        return _Import(lease, job.spec["dataset"], job.attempts, TimeLimit.of(job), work)

    def _goes_on(self, running: _Import) -> bool:
        """One look at it; False once it has ended in whatever way."""
        try:
            with self._database.transaction() as session:
                claims = self._claims(session)
                is_over = running.process is not None and running.process.poll() is not None
                state = claims.write(running.lease, running.news(), change=running.show)
                ends = self._ends_early(claims, running, state) or not self._advance(claims, running, is_over=is_over)
            running.untold.clear()
            return not ends
        except LeaseLost:
            log.warning("import lost its lease; another keeper has the job", job_id=running.lease.job_id)
            return False

    def _ends_early(self, claims: Claims, running: _Import, state: JobState) -> bool:
        """Whether somebody, the clock or the disk has it end before it is done."""
        if state is JobState.CANCELLING:
            claims.finish(running.lease, JobState.CANCELLED)
        elif state is JobState.PAUSING:
            claims.give_back(running.lease)
        elif running.limit.is_over() and running.limit.fails:
            self._fail(claims, running, running.limit.error())
        elif running.limit.is_over():
            claims.pause(running.lease, reason=running.limit.reason)
            claims.give_back(running.lease)
        elif time.monotonic() - running.began > self._wall_time.total_seconds():
            detail = f"It was not there after {self._wall_time.total_seconds() / 3600:g} hours."
            self._fail(claims, running, _told(ImportTimedOut(detail)))
        elif free_bytes(self._settings.folder(FOLDER)) < self._settings.disk_floor_bytes:
            self._fail(claims, running, asdict(storage_full()))
        else:
            return False
        return True

    def _advance(self, claims: Claims, running: _Import, *, is_over: bool) -> bool:
        """One step on; `is_over` where the child had ended before its last words were read."""
        row = claims.session.get(DatasetTable, running.dataset_id)
        if row is not None:
            return self._await_check(claims, running, row)
        if running.process is None:
            self._start(running)
            return True
        return self._take(claims, running) if is_over else True

    def _start(self, running: _Import) -> None:
        running.work.mkdir(parents=True)
        running.output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
        request = Request(running.name, str(self._settings.folder("datasets")), str(running.work))
        environment = network_environment() | dict.fromkeys(("HOME", "TMPDIR"), request.folder)
        running.process = start(CHILD, request, running.output, environment=environment)

    def _take(self, claims: Claims, running: _Import) -> bool:
        """What the child has left: a data set to check, one that is read as it is, or the reason why there is none."""
        if "failed" in running.last_line:
            self._fail(claims, running, running.last_line["failed"])
            return False
        if "fetched" not in running.last_line:
            assert running.process is not None  # noqa: S101 - it has just ended
            detail = f"The process that fetched it ended with exit code {running.process.returncode}."
            self._fail(claims, running, _told(ImportBrokeOff(detail), retryable=True))
            return False
        if running.name not in SETS:
            self._succeed(claims, running, running.last_line["fetched"])
            return False
        claims.session.add(self._as_dataset(running))
        claims.jobs.append(claims.held(running.lease), running.enter("checking"))
        return True

    def _as_dataset(self, running: _Import) -> DatasetTable:
        """The row that has the keeper check it. The folder is in its place before anybody reads of it."""
        folder = self._settings.folder(FOLDER) / running.dataset_id
        if (running.work / PREPARED).exists():  # else it was moved, and the database did not hear of it
            shutil.rmtree(folder, ignore_errors=True)  # of an attempt that came no further
            (running.work / PREPARED).rename(folder)
        return DatasetTable(
            id=running.dataset_id,
            owner=NOBODY,
            name=running.name,
            kind="built_in",
            state="validating",
            path=str(folder),
            on_bad_file="skip",  # what was published may hold a broken picture or two
            size=running.last_line["fetched"]["bytes"],
            created_at=datetime.now(UTC),
        )

    def _await_check(self, claims: Claims, running: _Import, row: DatasetTable) -> bool:
        if row.state == "validating":
            return True
        if row.state == "ready":
            counts = {split: sum(classes.values()) for split, classes in (row.counts or {}).items()}
            facts = {"version": row.version, "classes": row.classes, "counts": counts, "bytes": row.size}
            self._succeed(claims, running, facts | {"already_there": running.process is None})
            return False
        DatasetRepository(claims.session).delete(row)
        if running.process is None:
            return True  # left by an import that was cancelled meanwhile: fetch it again
        running.unusable = Path(row.path)
        self._fail(claims, running, _unusable(running.name, (row.report or {})["problems"][0]))
        return False

    def _succeed(self, claims: Claims, running: _Import, facts: dict[str, Any]) -> None:
        job = claims.finish(running.lease, JobState.SUCCEEDED)
        if job.state == JobState.SUCCEEDED:
            job.result = {"dataset_id": running.dataset_id, "name": running.name} | facts
        log.info("import ended", job_id=running.lease.job_id, dataset=running.name)

    def _fail(self, claims: Claims, running: _Import, facts: dict[str, Any]) -> None:
        error = {"retryable": False} | facts | {"attempt": running.attempt}
        if facts["code"] in PASSING:
            claims.lose(running.lease, error=error)
        else:
            claims.finish(running.lease, JobState.FAILED, error=error)
        log.info("import failed", job_id=running.lease.job_id, dataset=running.name, code=facts["code"])


def _told(error: EngineError, *, retryable: bool = False) -> dict[str, Any]:
    facts = {"code": error.code, "title": error.title, "detail": error.detail, "hint": error.hint}
    return facts | {"retryable": retryable}


def _unusable(name: str, problem: dict[str, Any]) -> dict[str, Any]:
    where = f"{problem['path']}: " if problem.get("path") else ""
    return _told(ImportUnusable(f"Of {name}: {where}{problem['detail']} Nothing of it is kept."))
