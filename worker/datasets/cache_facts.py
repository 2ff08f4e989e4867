"""What each entry of the cache says of itself, and when it was last used. Without torch, so that the keeper can ask."""

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

FORMAT = 1
BUILDING = ".building-"
ABANDONED_AFTER = timedelta(days=1)
_NAME = "meta.json"


class NotCached(Exception):
    """Not there, or damaged."""


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of an entry; raises NotCached where they are not what was written."""
    try:
        document = json.loads((folder / _NAME).read_text("utf-8"))
        facts: dict[str, Any] = document["facts"]
        if facts["format"] != FORMAT or document["sha256"] != _digest_of(facts):
            raise NotCached(f"{_NAME} is damaged or of another release")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotCached(str(error)) from error
    return facts


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Store them with their own digest."""
    document = {"facts": facts, "sha256": _digest_of(facts)}
    (folder / _NAME).write_text(json.dumps(document, indent=1), "utf-8")


def _digest_of(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def note_use(folder: Path) -> None:
    """Let the folder's time say when it was last opened. One that belongs to another user keeps that of its making."""
    with suppress(OSError):
        os.utime(folder)


def remove_abandoned(root: Path) -> None:
    """Remove what killed builders left. A running one is younger than a day."""
    for path in root.glob(f"{BUILDING}*"):
        with suppress(FileNotFoundError):  # finished or removed by another builder
            if is_abandoned(path.stat().st_mtime):
                shutil.rmtree(path, ignore_errors=True)


def is_abandoned(written: float) -> bool:
    """Whether a folder that is being built was last written to too long ago."""
    return time.time() - written > ABANDONED_AFTER.total_seconds()
