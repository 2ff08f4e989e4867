"""Checkpoint files by name and digest, for those who do not open them: needs no torch."""

import hashlib
import re
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
