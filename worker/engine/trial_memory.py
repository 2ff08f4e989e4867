"""What trials measured on this machine, kept in one small JSON file so that each is made once."""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_MOST_ENTRIES = 500


class TrialMemory:
    """Seconds by name for every key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self, key: str) -> dict[str, float]:
        """What was measured before; nothing where the file is missing or damaged, so that it is measured anew."""
        return self._read().get(key, {})

    def note(self, key: str, seconds: Mapping[str, float]) -> None:
        """Add to what is known under `key`.

        Of two processes that write at the same moment one loses its numbers, and so does one that meets a full disk:
        that costs another trial, and is no reason to fail a job.
        """
        entries = self._read()
        entries[key] = entries.pop(key, {}) | dict(seconds)  # last, as the newest
        newest = dict(list(entries.items())[-_MOST_ENTRIES:])
        with suppress(OSError):
            _replace(self._path, json.dumps(newest, indent=1) + "\n")

    def _read(self) -> dict[str, dict[str, float]]:
        if not self._path.is_file():
            return {}
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except ValueError:  # damaged: no JSON, or no UTF-8
            return {}
        return content if _is_sound(content) else {}


def _is_sound(content: object) -> bool:
    return isinstance(content, dict) and all(
        isinstance(seconds, dict) and all(_is_duration(value) for value in seconds.values())
        for seconds in content.values()
    )


def _is_duration(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value > 0


def _replace(path: Path, text: str) -> None:
    """Write aside and rename, so that a reader finds the old file or the new one."""
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)
