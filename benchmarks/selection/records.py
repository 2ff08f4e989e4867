"""What was measured, one JSON line each, so that a new rule is scored without training anything again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "lr_selection"


class Records:
    """Measurements of one task by kind and key; `add` writes through."""

    def __init__(self, task: str, folder: Path = RESULTS) -> None:
        self._path = folder / f"{task}.jsonl"
        self._found: dict[tuple[Any, ...], dict[str, Any]] = {}
        if self._path.exists():
            for line in self._path.read_text("utf-8").splitlines():
                record = json.loads(line)
                self._found[_key(record)] = record

    def get(self, kind: str, *, lr: float | None = None, steps: int | None = None, seed: int) -> dict[str, Any] | None:
        """The record, where it was measured."""
        return self._found.get(_key({"kind": kind, "lr": lr, "steps": steps, "seed": seed}))

    def all(self, kind: str, *, steps: int | None = None) -> Iterator[dict[str, Any]]:
        """Every record of a kind, of so many steps where that is given."""
        return (r for r in self._found.values() if r["kind"] == kind and steps in (None, r.get("steps")))

    def add(self, record: dict[str, Any]) -> None:
        """Keep it, on disk too."""
        self._found[_key(record)] = record
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    lr = record.get("lr")
    return record["kind"], None if lr is None else f"{lr:.6g}", record.get("steps"), record["seed"]
