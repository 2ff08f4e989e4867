"""Has new datasets checked, one at a time, in a child with limits; the keeper's loop looks in on it."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Literal, cast

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import select, update

from app.artifacts.store import ArtifactStore
from app.datasets.quotas import NO_QUOTA, Quota
from app.datasets.report import Report
from app.datasets.repository import DatasetRepository
from app.datasets.schemas import Split
from app.datasets.service import PREVIEW
from app.db.session import Database
from app.db.tables import DatasetTable
from app.webhooks.outbox import tell_of_dataset
from worker.datasets.errors import Problem
from worker.keeper.asides import Aside
from worker.keeper.check import OnBadFile, Request
from worker.keeper.children import kill, start
from worker.keeper.verdicts import invalid

log = structlog.get_logger()

CPU_TIME = timedelta(minutes=60)
WALL_TIME = timedelta(minutes=30)
PUBLISHED_TIMES = 24  #: as much for sets that were imported: they are known, and some have millions of pictures
CHILD = [sys.executable, "-I", "-m", "worker.keeper.check"]
_LARGEST_VERDICT_BYTES = 64 << 20
_LARGEST_PREVIEW_BYTES = 8 << 20
_PNG = b"\x89PNG\r\n\x1a\n"


class Verdict(BaseModel):
    """What a check found. It comes from a process that read hostile files, so its form is not taken on trust."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["ready", "invalid"]
    version: str | None = None
    classes: list[str] | None = None
    counts: dict[str, dict[str, int]] | None = None
    image: dict[str, Any] | None = None
    channel_mean: list[float] | None = None
    channel_std: list[float] | None = None
    split: Split | None = None
    skipped: list[str] | None = None
    size: int | None = None
    report: Report


@dataclass(frozen=True, slots=True)
class _Check:
    """A check under way."""

    dataset: DatasetTable
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]
    preview: IO[bytes]
    aside: Aside | None  #: of an upload
    deadline: float

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself or must be ended."""
        return self.process.poll() is not None or time.monotonic() > self.deadline


class Importer:
    """Checks whatever is `validating`. A keeper that dies leaves the row as it is, and the next one begins anew."""

    def __init__(
        self,
        database: Database,
        store: ArtifactStore,
        *,
        wall_time: timedelta = WALL_TIME,
        quota: Quota = NO_QUOTA,
        floor_bytes: int = 0,
    ) -> None:
        self.database = database
        self.store = store
        self.wall_time = wall_time
        self.quota = quota
        self.floor_bytes = floor_bytes
        self._running: _Check | None = None

    def advance(self) -> bool:
        """End a check that is over and begin the next; never waits. True while one is under way."""
        if self._running is not None and (self._running.is_over or self._is_deleted(self._running)):
            self._end(self._running)
            self._running = None
        if self._running is None:
            self._running = self._begin_next()
        return self._running is not None

    def stop(self) -> None:
        """Give up a check under way, for another keeper to do."""
        if self._running is not None:
            _kill(self._running)
            self._running = None

    def _begin_next(self) -> _Check | None:
        with self.database.reading() as session:
            datasets = DatasetRepository(session)
            dataset = datasets.oldest_validating()
            if dataset is None:
                return None
            room = self.quota.room(datasets.holdings(dataset.owner), without=dataset.size or 0)
        log.info("dataset check begins", dataset_id=dataset.id)
        return self._begin(dataset, room=room)

    def _begin(self, dataset: DatasetTable, *, room: int | None) -> _Check:
        times = PUBLISHED_TIMES if dataset.kind == "built_in" else 1
        aside = Aside(Path(dataset.path)) if dataset.upload else None
        request = Request(
            dataset.path,
            dataset.upload,
            aside=str(aside.images) if aside else None,
            cpu_seconds=times * int(CPU_TIME.total_seconds()),
            room_bytes=room,
            floor_bytes=self.floor_bytes,
            test_fraction=dataset.test_fraction,
            split_seed=dataset.split_seed,
            on_bad_file=cast("OnBadFile", dataset.on_bad_file),
        )
        # Without a name, so that nothing stays of a keeper that is killed; a pipe could fill up.
        output, preview = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
        # Empty: whoever breaks a decoder finds no credentials.
        wanted, handed = replace(request, preview=_path_of(preview)), [preview.fileno()]
        process = start(CHILD, wanted, output, environment={}, inherited=handed)
        deadline = time.monotonic() + times * self.wall_time.total_seconds()
        return _Check(dataset, process, output, preview, aside, deadline)

    def _is_deleted(self, check: _Check) -> bool:
        """Whether nobody waits for it any more, while others may."""
        with self.database.reading() as session:
            return session.scalar(select(DatasetTable.id).where(DatasetTable.id == check.dataset.id)) is None

    def _end(self, check: _Check) -> None:
        verdict = _read_verdict(check)
        columns = verdict.model_dump() | {"preview": self._stored_preview(check) if verdict.state == "ready" else None}
        if check.dataset.kind == "built_in":
            del columns["size"]  # known since it was fetched
        with self.database.transaction() as session:  # first: if it fails, the next round does all of this again
            mine = update(DatasetTable).where(DatasetTable.id == check.dataset.id, DatasetTable.state == "validating")
            found = session.scalars(mine.values(**columns, upload=None).returning(DatasetTable)).one_or_none()
            if found is not None:
                tell_of_dataset(session, found)
        is_anothers = self._was_ended_by_another(check, found=found is not None)
        state = found.state if found is not None else "taken over" if is_anothers else "deleted"
        log.info("dataset check ended", dataset_id=check.dataset.id, state=state)
        _kill(check)
        is_wanted = found is not None and verdict.state == "ready"  # else it failed, or was deleted in the meantime
        if check.dataset.upload and not is_anothers:
            _tidy(Path(check.dataset.upload), Path(check.dataset.path), is_wanted=is_wanted)

    def _stored_preview(self, check: _Check) -> dict[str, Any] | None:
        """Stored by its content, so that a keeper elected meanwhile writes the same object or another one."""
        check.preview.seek(0)
        data = check.preview.read(_LARGEST_PREVIEW_BYTES)
        if not data.startswith(_PNG):  # it comes from a process that read hostile files
            log.error("dataset check left no preview", dataset_id=check.dataset.id, size=len(data))
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        key = f"datasets/{check.dataset.id}/{sha256}/{PREVIEW}"
        self.store.put(key, Path(_path_of(check.preview)))
        return {"key": key, "size": len(data), "sha256": sha256}

    def _was_ended_by_another(self, check: _Check, *, found: bool) -> bool:
        """Whether another keeper, elected meanwhile, has the say over the files."""
        if found:
            return False
        with self.database.reading() as session:
            return session.get(DatasetTable, check.dataset.id) is not None


def _tidy(upload: Path, folder: Path, *, is_wanted: bool) -> None:
    """Remove the archive, and images that nobody will use."""
    if not is_wanted:
        shutil.rmtree(folder, ignore_errors=True)
    upload.unlink(missing_ok=True)


def _path_of(file: IO[bytes]) -> str:
    """A path that leads to an open file, here and in a child that inherits it."""
    return f"/dev/fd/{file.fileno()}"


def _read_verdict(check: _Check) -> Verdict:
    if check.process.returncode is None:
        return _failed("check_timed_out", "The check took longer than it may.")
    check.output.seek(0)
    try:
        return Verdict.model_validate_json(check.output.read(_LARGEST_VERDICT_BYTES))
    except ValidationError:
        log.error("dataset check broke off", dataset_id=check.dataset.id, exit_code=check.process.returncode)
        return _failed("check_failed", f"The check broke off with exit code {check.process.returncode}.")


def _failed(code: str, detail: str) -> Verdict:
    hint = "Look for damaged or very large images, and add the dataset again; the keeper's log says more."
    verdict = invalid([Problem(code, None, detail, hint)], found="The check could not be finished.")
    return Verdict.model_validate(verdict)


def _kill(check: _Check) -> None:
    kill(check.process)
    if check.aside is not None:
        check.aside.remove()
    check.output.close()
    check.preview.close()
