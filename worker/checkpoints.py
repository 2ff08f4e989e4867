"""Checkpoints beyond one machine: copies in the store that hosts share, and the one a training goes on from."""

import hashlib
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.db.tables import JobTable
from app.disk import sync
from app.jobs.claims import Lease
from worker.engine.checkpoint_files import NAME, is_whole
from worker.engine.events import CheckpointSaved
from worker.storing import fetch_patiently, put_patiently

log = structlog.get_logger()

KEPT = 2  #: copies of a job, in case the newest is damaged; each holds the best weights so far

#: In a job's row: where a copy lies and what it must hold, as `{"key": …, "sha256": …}`.
Copy = dict[str, str]


def prefix_of(job_id: str) -> str:
    """Below which the copies of a job lie, under each fence apart."""
    return f"checkpoints/{job_id}/"


class Copies:
    """Copies a training's checkpoints while it goes on; where they come too fast, only the newest.

    In a thread, so that an upload of minutes keeps neither the lease nor the training's words waiting. Where the
    storage is a folder it does nothing: hosts that share that folder share the checkpoints as well.
    """

    def __init__(self, store: ArtifactStore, lease: Lease) -> None:
        self._store = store
        self._prefix = f"{prefix_of(lease.job_id)}{lease.fence}/"
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: CheckpointSaved | None = None
        self._unwanted: list[str] = []
        self._made: list[Copy] = []
        self._beginning = 0  #: how often the training began again; what was saved before that is void
        self._is_failing = False
        self._complaint: str | None = None

    def offer(self, saved: CheckpointSaved) -> None:
        """Copy this one next."""
        if self._store.is_remote:
            with self._lock:
                self._waiting = saved
                self._start()

    def discard(self, copies: list[Copy]) -> None:
        """Delete copies that no row names any more; what cannot be deleted now, the collector finds."""
        if copies:
            with self._lock:
                self._unwanted += [copy["key"] for copy in copies]
                self._start()

    def forget(self) -> None:
        """All that was saved so far is void: the training begins again."""
        with self._lock:
            self._waiting = None
            self._beginning += 1
        self.discard(self.take())

    def take(self) -> list[Copy]:
        """The copies made since the last time, the newest first."""
        with self._lock:
            made, self._made = self._made, []
            return made

    def complaint(self) -> str | None:
        """What an operator should know, once for each outage."""
        with self._lock:
            said, self._complaint = self._complaint, None
            return said

    def has_news(self) -> bool:
        """Whether `take` or `complaint` has something."""
        return bool(self._made or self._complaint)

    def wait(self, patience: Callable[[], timedelta]) -> None:
        """Until all is copied, or patience, asked again and again, is at its end."""
        began = time.monotonic()
        while self._is_busy() and time.monotonic() - began < patience().total_seconds():
            time.sleep(0.02)

    def _is_busy(self) -> bool:
        thread = self._thread
        return thread is not None and thread.is_alive()

    def _start(self) -> None:
        if not self._is_busy():
            # In the same context, so that its log lines name the job.
            self._thread = threading.Thread(target=copy_context().run, args=(self._work,), name="copies", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                saved, self._waiting = self._waiting, None
                unwanted, self._unwanted = self._unwanted, []
                beginning = self._beginning
                if saved is None and not unwanted:
                    self._thread = None
                    return
            self._delete(unwanted)
            if saved is not None:
                self._copy(saved, beginning)

    def _delete(self, keys: list[str]) -> None:
        try:
            if keys:
                self._store.delete(keys)
        except OSError as error:
            log.warning("the storage keeps checkpoints that were to be deleted", keys=keys, error=str(error))

    def _copy(self, saved: CheckpointSaved, beginning: int) -> None:
        key = f"{self._prefix}{saved.path.name}"
        try:
            put_patiently(self._store, key, saved.path)
        except OSError as error:
            if saved.path.exists():  # else a newer one took its place meanwhile
                self._complain(f"The checkpoint after step {saved.step} is on the worker's disk alone: {error}")
            return
        with self._lock:
            self._is_failing = False
            if beginning == self._beginning:
                self._made.insert(0, {"key": key, "sha256": saved.sha256})
            else:
                self._unwanted.append(key)

    def _complain(self, what: str) -> None:
        log.warning("a checkpoint could not be copied; training on", detail=what)
        with self._lock:
            self._complaint = None if self._is_failing else what
            self._is_failing = True


def named_paths(checkpoint: dict[str, Any] | None) -> list[str]:
    """The files that a row names, below the data folder, the newest first."""
    return [checkpoint[name] for name in ("path", "previous") if name in checkpoint] if checkpoint else []


def with_previous(newest: dict[str, Any], present: dict[str, Any] | None) -> dict[str, Any]:
    """A checkpoint that a row is to name, with the one before it, in case it is damaged."""
    if present is None or present["step"] > newest["step"]:
        return newest  # what came after it in the history is about to be replaced
    previous = present.get("previous") if present["path"] == newest["path"] else present["path"]
    return newest | {"previous": previous} if previous else newest


def named_copies(checkpoint: dict[str, Any] | None) -> list[Copy]:
    """The copies that a row names, the newest first."""
    return list((checkpoint or {}).get("copies", []))


@dataclass
class Found:
    """The checkpoint to go on from, None to begin at the beginning; what was wrong with others."""

    path: Path | None = None
    complaints: list[str] = field(default_factory=list)

    def or_complain(self) -> "Found":
        """Itself; says so where there is none."""
        if self.path is None:
            self.complaints.append("No checkpoint is left; the training starts over.")
        return self


def newest_checkpoint(settings: Settings, store: ArtifactStore, job: JobTable) -> Found:
    """The checkpoint the row names, or the one before it; else the training starts over.

    Never a newer one: the history of the steps before that was lost with the worker that had not written it yet.
    Raises StoreUnavailable rather than start over for a store that is away.
    """
    named = [settings.data_dir.absolute() / path for path in named_paths(job.checkpoint)]
    if not named:
        return Found()
    if store.is_remote:
        return Found(named[0]) if is_whole(named[0]) else _from_copies(store, job, named[0].parent)
    found = Found(next((path for path in named if is_whole(path)), None))
    if found.path != named[0]:
        found.complaints.append(f"The checkpoint after step {_step(named[0])} is missing or damaged.")
    return found.or_complain()


def _from_copies(store: ArtifactStore, job: JobTable, folder: Path) -> Found:
    found = Found()
    for copy in named_copies(job.checkpoint):
        path = folder / copy["key"].rpartition("/")[2]
        wrong = None if is_whole(path) else _fetch(store, copy, path)
        if wrong is None:
            found.path = path
            break
        found.complaints.append(f"The checkpoint after step {_step(path)} {wrong}.")
    return found.or_complain()


def _fetch(store: ArtifactStore, copy: Copy, path: Path) -> str | None:
    """Bring a copy here under its name once its content is checked; what is wrong with it, if something is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.tmp")
    try:
        fetch_patiently(store, copy["key"], aside)
        if _digest(aside) != copy["sha256"]:
            return "is damaged in the storage"
        aside.replace(path)
        sync(path.parent)
    except FileNotFoundError:
        return "is missing from the storage"
    finally:
        aside.unlink(missing_ok=True)
    return None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else 0
