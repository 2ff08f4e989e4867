"""A job's history as aligned columns of numbers, for plots and tables."""

import csv
import io
import math
from collections.abc import Iterable
from typing import Literal

from app.db.tables import JobEventTable
from app.domain.curves import downsample
from app.domain.landmarks import smooth_losses
from app.errors import FieldError, Unprocessable, did_you_mean
from app.jobs.schemas import Metrics

Phase = Literal["range_test", "training"]
Column = list[int | float | None]

_STEP_COLUMNS: dict[Phase, tuple[str, ...]] = {
    "range_test": ("step", "learning_rate", "loss", "smoothed_loss"),
    "training": ("step", "learning_rate", "momentum", "training_loss"),
}
_EPOCH_COLUMNS = (
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "seconds",
    "images_per_second",
)


def check_series(series: list[str], phase: Phase) -> None:
    """Raise for the name of a column that this phase does not have."""
    known = [*_STEP_COLUMNS[phase], *(("epoch", *_EPOCH_COLUMNS) if phase == "training" else ())]
    unknown = next((name for name in series if name not in known), None)
    if unknown is not None:
        detail = f"The phase {phase} has no series {unknown[:100]!r}{did_you_mean(unknown, known)}"
        error = FieldError(detail, "unknown_option", parameter="series")
        raise Unprocessable("unknown_option", detail, f"It has: {', '.join(known)}.", [error])


def collect(events: Iterable[JobEventTable], phase: Phase, *, series: list[str], max_points: int) -> Metrics:
    """Read the columns of one phase out of the history; the newest attempt wins per step."""
    events = list(events)
    steps = _step_columns(events, phase)
    epochs = _epoch_columns(events) if phase == "training" else {}
    total = len(steps["step"])
    steps = _whole(downsample(_only(steps, series, "step"), max_points), "step")
    return Metrics(
        phase=phase, steps=steps, epochs=_only(epochs, series, "epoch"), points=len(steps["step"]), total_steps=total
    )


def as_csv(columns: dict[str, Column]) -> str:
    """A table with a header; what is not finite is `nan`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["nan" if value is None else value for value in row])
    return text.getvalue()


def _step_columns(events: list[JobEventTable], phase: Phase) -> dict[str, Column]:
    rows: dict[int, tuple[float | None, float | None, float | None]] = {}
    for event in events:
        if event.type == "steps" and event.data["phase"] == phase:
            columns = zip(event.data["learning_rate"], event.data["momentum"], event.data["loss"], strict=True)
            rows.update(enumerate(columns, event.data["first_step"]))
    steps = sorted(rows)
    rates, momenta, losses = (
        (list(column) for column in zip(*(rows[step] for step in steps), strict=True)) if steps else ([], [], [])
    )
    last_two = (losses, _smoothed(rates, losses)) if phase == "range_test" else (momenta, losses)
    return dict(zip(_STEP_COLUMNS[phase], ([*steps], rates, *last_two), strict=True))


def _smoothed(rates: Column, losses: Column) -> Column:
    numbers = [math.nan if loss is None else loss for loss in losses]
    smooth = smooth_losses([rate or 0.0 for rate in rates], numbers)
    return [value if math.isfinite(value) else None for value in smooth]


def _epoch_columns(events: list[JobEventTable]) -> dict[str, Column]:
    newest = {event.data["epoch"]: event.data for event in events if event.type == "epoch"}
    epochs = sorted(newest)
    columns: dict[str, Column] = {name: [newest[epoch].get(name) for epoch in epochs] for name in _EPOCH_COLUMNS}
    return {"epoch": [*epochs]} | columns


def _whole(columns: dict[str, Column], index: str) -> dict[str, Column]:
    """The same with whole numbers in the index, which arithmetic made floats."""
    return columns | {index: [int(value or 0) for value in columns[index]]}


def _only(columns: dict[str, Column], series: list[str], index: str) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if not series or name in series or name == index}
