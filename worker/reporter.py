"""A training's messages become rows: events, progress, artifacts. One commit a second, under the fence."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, insert

from app.artifacts.store import ArtifactStore
from app.config import Settings
from app.db.session import Database
from app.db.tables import ArtifactTable, JobTable
from app.domain.lifecycle import JobState
from app.jobs.claims import Claims, Lease
from app.jobs.repository import NewEvent
from worker.checkpoints import KEPT, Copies, Copy, named_copies, named_paths, with_previous
from worker.engine.checkpoint_files import keep, kept
from worker.engine.events import CheckpointSaved, EpochDone, PhaseStarted, Progress, Resized, Rewound, StepsDone
from worker.messages import FileMade, Happened, Settled
from worker.progress import ProgressMeter
from worker.storing import put_patiently

log = structlog.get_logger()

Change = Callable[[JobTable], None]


@dataclass
class _Pending:
    """What the next commit will hold."""

    events: list[NewEvent] = field(default_factory=list)
    resolved: dict[str, Any] = field(default_factory=dict)
    checkpoint: dict[str, Any] | None = None
    drops_checkpoint: bool = False  #: the row's, before it gets the one above
    copies: list[Copy] = field(default_factory=list)  #: of checkpoints, made since the last commit
    unwanted: list[Copy] = field(default_factory=list)  #: those that the commit leaves without a row
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    has_moved: bool = False  #: the progress bar
    urgent: bool = False


class Reporter:
    """Collects what a training says, and commits it."""

    def __init__(self, *, database: Database, store: ArtifactStore, settings: Settings, lease: Lease) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._lease = lease
        self._copies = Copies(store, lease)
        self._folder = settings.folder("checkpoints") / lease.job_id
        self._named: set[str] = set()  #: checkpoint files in the job's row, as of the last commit
        self._pending = _Pending()
        self._meter = ProgressMeter()
        self._committed = time.monotonic()

    def take(self, message: Happened | Settled | FileMade) -> None:
        """Note a message for the next commit; a file is stored at once, outside any transaction."""
        match message:
            case Happened():
                self._take_event(message)
            case Settled():
                settled = {"value": message.value, "origin": message.origin, "reason": message.reason}
                self._pending.resolved[message.name] = plain(settled)
            case FileMade():
                self._take_file(message)

    def _take_event(self, message: Happened) -> None:
        event = message.event
        self._meter.update(event, memory_bytes=message.memory_bytes)
        if isinstance(event, CheckpointSaved):
            path = event.path.relative_to(self._settings.data_dir.absolute())
            self._pending.checkpoint = {"step": event.step, "path": str(path), "sha256": event.sha256}
            self._copies.offer(event)
            data = {"step": event.step, "best": event.best}
        elif isinstance(event, Rewound):
            self._pending.checkpoint, self._pending.drops_checkpoint = None, True
            self._copies.discard(self._pending.copies)
            self._copies.forget()
            self._pending.copies = []
            data = event.data()
        elif isinstance(event, Progress | Resized):
            self._pending.has_moved = True  # the bar; it leaves no history
            return
        else:
            data = {name: value for name, value in event.data().items() if not _is_bar(event, name)}
        self._pending.events.append(NewEvent(event.type, plain(data), message.time))
        # People wait for these; blocks of steps can wait a second.
        self._pending.urgent |= not isinstance(event, StepsDone) or event.first_step == 0

    def _take_file(self, file: FileMade) -> None:
        # The digest, since a picture is drawn again where a training begins again: no key ever gets other content.
        key = f"jobs/{self._lease.job_id}/{self._lease.fence}/{file.sha256[:16]}/{file.name}"
        put_patiently(self._store, key, file.path)
        row = {"job_id": self._lease.job_id, "name": file.name, "key": key, "created_at": file.time}
        facts = {"size": file.size, "sha256": file.sha256, "media_type": file.media_type}
        self._pending.artifacts.append(row | facts)
        self._pending.events.append(NewEvent("artifact", {"name": file.name}, file.time))
        self._pending.urgent = True

    def is_due(self, *, interval_seconds: float = 1.0) -> bool:
        """Whether it is time for the next commit."""
        age = time.monotonic() - self._committed
        pending = self._pending
        waiting = pending.events or pending.resolved or pending.has_moved or self._copies.has_news()
        return bool(waiting) and age >= (0.1 if self._pending.urgent else interval_seconds)

    def await_copies(self, patience: Callable[[], timedelta]) -> None:
        """Give the copying of the last checkpoint some time, which may grow shorter meanwhile."""
        self._copies.wait(patience)

    def commit(self) -> JobState:
        """Write all that is pending; the answer carries a request to cancel. Nothing is lost if it raises."""
        return self.commit_with(lambda _: None)

    def postpone(self) -> None:
        """Try the next commit later; nothing is lost."""
        self._committed = time.monotonic()

    def commit_with(self, ending: Callable[[Claims], object]) -> JobState:
        """Write all that is pending and the job's end in one transaction."""
        self._take_copies()
        saved = self._pending.checkpoint
        if saved is not None:
            self._keep(kept(self._folder, fence=self._lease.fence) | {Path(saved["path"]).name})
        with self._database.transaction() as session:
            claims = Claims(session, lease=self._settings.lease)
            state = claims.write(self._lease, self._pending.events, change=self._apply)
            self._replace_artifacts(claims)
            ending(claims)
        if saved is not None:
            self._keep(self._named)
        self._forget()
        return state

    def _keep(self, names: set[str]) -> None:
        """Have what the row names, or is about to, outlast newer checkpoints."""
        try:
            keep(self._folder, names, fence=self._lease.fence)
        except OSError as error:  # full, perhaps; then the marks made before that hold
            log.warning("checkpoints cannot be marked", error=str(error))

    def _apply(self, job: JobTable) -> None:
        job.phase = self._meter.phase or job.phase
        job.progress = self._meter.as_dict()
        if "max_lr" in self._pending.resolved:
            job.crashes = 0  # the search is done with, and no later attempt repeats it
        if self._pending.resolved:
            job.resolved = job.resolved | self._pending.resolved
        self._apply_checkpoint(job)

    def _apply_checkpoint(self, job: JobTable) -> None:
        before = job.checkpoint
        present = None if self._pending.drops_checkpoint else before
        newest = self._pending.checkpoint
        if newest is not None and (present is None or newest["step"] > present["step"]):
            job.crashes = 0  # there was progress: crashes before it do not count
        if newest is not None:
            newest = with_previous(newest, present)
        copies = self._pending.copies + named_copies(present)
        newest = newest or present
        if newest is not None and copies:
            newest = newest | {"copies": copies[:KEPT]}
        job.checkpoint = newest
        self._named = {Path(path).name for path in named_paths(newest)}
        wanted = named_copies(newest)
        self._pending.unwanted = [copy for copy in copies + named_copies(before) if copy not in wanted]

    def _take_copies(self) -> None:
        self._pending.copies = self._copies.take() + self._pending.copies
        complaint = self._copies.complaint()
        if complaint is not None:
            self._pending.events.append(NewEvent("log", {"level": "warning", "message": complaint}))

    def _replace_artifacts(self, claims: Claims) -> None:
        for row in self._pending.artifacts:
            same = (ArtifactTable.job_id == row["job_id"], ArtifactTable.name == row["name"])
            claims.session.execute(delete(ArtifactTable).where(*same))
            claims.session.execute(insert(ArtifactTable).values(**row))

    def _forget(self) -> None:
        self._copies.discard(self._pending.unwanted)
        self._pending = _Pending()
        self._committed = time.monotonic()


def plain(value: Any) -> Any:  # noqa: ANN401
    """The value as JSON can hold it: what is not finite is null, a path is text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _is_bar(event: object, name: str) -> bool:
    """Sizes of the progress bar, which are no part of the public event."""
    return (isinstance(event, PhaseStarted) and name in ("steps", "epochs")) or (
        isinstance(event, EpochDone) and name == "images_per_second" and getattr(event, name) is None
    )
