"""A job's history as lines of text for people."""

from collections.abc import Iterable
from typing import Any

from app.db.tables import JobEventTable


def render(events: Iterable[JobEventTable]) -> str:
    """One line an event: time, attempt, what happened."""
    return "".join(f"{event.time:%Y-%m-%dT%H:%M:%S.%f}Z [{event.attempt}] {_line(event)}\n" for event in events)


def _line(event: JobEventTable) -> str:
    data = event.data
    match event.type:
        case "state":
            return f"state {data['state']}{_failure(data.get('error'))}"
        case "phase":
            return f"phase {data['phase']}"
        case "epoch":
            columns = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")
            return f"epoch {data['epoch']} " + " ".join(f"{name}={_number(data[name])}" for name in columns)
        case "checkpoint":
            return f"checkpoint after step {data['step']}{' (best so far)' if data['best'] else ''}"
        case "rewind":
            return f"rewind to step {data['to_step']}: {data['reason']}"
        case "warning":
            return f"warning {data['code']}: {data['detail']}"
        case _:
            return f"{data['level']}: {data['message']}"


def _failure(error: dict[str, Any] | None) -> str:
    return f": {error['code']}: {error['detail']} {error['hint']}" if error else ""


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.4f}"
