"""Checkpoint files by name and digest, and which of them must stay; for those who do not open them: needs no torch.

A training keeps its newest files and cannot know which one its job's row names: while the database is away, or its
worker sleeps, that is an older one. To go on from a newer one would leave a gap in the history. So the worker marks
what must stay.
"""

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

NAME = re.compile(r"checkpoint-(\d{9})-([0-9a-f]{16})\.pt")


def name_of(*, step: int, digest: str) -> str:
    """The name of the checkpoint after `step` optimizer steps, with the beginning of its SHA-256."""
    return f"checkpoint-{step:09d}-{digest[:16]}.pt"


def is_whole(path: Path) -> bool:
    """Whether a checkpoint is there, with the content that its name promises. Raises OSError if it cannot be read."""
    match = NAME.fullmatch(path.name)
    if not match or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(match[2])


def keep(folder: Path, names: Iterable[str], *, fence: int) -> None:
    """Have these files outlast newer ones, instead of those this attempt named before."""
    aside = folder / f".keep-{fence}.tmp"
    aside.write_text("\n".join(names))
    aside.replace(_mark(folder, fence))


def kept(folder: Path, *, fence: int | None = None) -> set[str]:
    """The names that this attempt, or any, has marked."""
    names: set[str] = set()
    for mark in folder.glob("keep-*") if fence is None else [_mark(folder, fence)]:
        with suppress(FileNotFoundError):  # a newer attempt has removed it
            names.update(mark.read_text().splitlines())
    return names


def keep_only(folder: Path, names: Iterable[str], *, fence: int) -> None:
    """The same as the first thing an attempt does: nobody will go on from any other file."""
    names = set(names)
    keep(folder, names, fence=fence)
    for path in folder.iterdir():
        is_old_mark = path.name.startswith("keep-") and path != _mark(folder, fence)
        if is_old_mark or (NAME.fullmatch(path.name) and path.name not in names):
            path.unlink(missing_ok=True)


def _mark(folder: Path, fence: int) -> Path:
    return folder / f"keep-{fence}"
