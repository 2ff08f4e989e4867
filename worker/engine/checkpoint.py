"""Checkpoint files: written so that a crash leaves the old one or the new one whole, and checked when read."""

import hashlib
import os
from pathlib import Path
from pickle import UnpicklingError
from time import perf_counter
from typing import Any

import torch

from worker.engine.checkpoint_files import NAME, is_whole, kept, name_of
from worker.engine.errors import CheckpointDamaged
from worker.engine.events import CheckpointSaved

_KEPT = 2


class Checkpoints:
    """The checkpoints of one training in a folder: when the next is due, writing it, forgetting old ones.

    Each file is complete, the best weights so far included, so any one of them is enough to go on from.
    """

    def __init__(self, folder: Path, *, every_seconds: float) -> None:
        self._folder = folder
        self._every_seconds = every_seconds
        self._last_took = 0.0
        self._last_at = perf_counter()

    @property
    def is_due(self) -> bool:
        """Whether it is time for one; saving takes at most a twentieth of the time."""
        return perf_counter() - self._last_at >= max(self._every_seconds, 20 * self._last_took)

    @property
    def is_due_at_epoch_end(self) -> bool:
        """Whether the last one is ten seconds old, or as old as `is_due` asks."""
        return self.is_due or perf_counter() - self._last_at >= max(10.0, 20 * self._last_took)

    def save(self, state: dict[str, Any], *, step: int, best: bool) -> CheckpointSaved:
        """Write `state`; raises OSError, leaving the older files alone."""
        began = perf_counter()
        path, digest = _write(state, self._folder, step=step)
        _sync_folder(self._folder)
        self._forget(path)
        self._last_at = perf_counter()
        self._last_took = self._last_at - began
        return CheckpointSaved(step=step, best=best, path=path, sha256=digest)

    def postpone(self) -> None:
        """Try again later, after a failure."""
        self._last_at = perf_counter()

    def _forget(self, newest: Path) -> None:
        """Keep the last two, in case the newest is damaged, and those that are marked."""
        others = sorted(path for path in self._folder.iterdir() if NAME.fullmatch(path.name) and path != newest)
        marked = kept(self._folder)
        for path in others[: -(_KEPT - 1)]:
            if path.name not in marked:
                path.unlink(missing_ok=True)


def remove_checkpoints(folder: Path) -> None:
    """Remove all of them, so that nobody goes on from a training that is to begin again."""
    if folder.is_dir():
        for path in folder.iterdir():
            if NAME.fullmatch(path.name):
                path.unlink(missing_ok=True)
        _sync_folder(folder)


def _write(state: dict[str, Any], folder: Path, *, step: int) -> tuple[Path, str]:
    """Write aside, sync, then rename: the name appears with the whole content behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".checkpoint-{os.getpid()}.tmp"
    try:
        with temporary.open("w+b") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        path = folder / name_of(step=step, digest=digest)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path, digest


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; raises CheckpointDamaged where it is not what its name promises."""
    if not NAME.fullmatch(path.name):
        raise CheckpointDamaged(f"{path.name} is not the name of a checkpoint")
    try:
        whole = is_whole(path)
    except OSError as error:
        raise CheckpointDamaged(f"{path.name} cannot be read: {error.strerror}") from error
    if not whole:
        raise CheckpointDamaged(f"{path.name} is missing, or has another content than was written")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointDamaged(f"{path.name} holds more than tensors and numbers") from error
    return state
