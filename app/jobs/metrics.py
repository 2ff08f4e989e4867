"""A job's history as aligned columns of numbers, for plots and tables."""

import csv
import io
import math
from collections.abc import Iterable
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from typing import Any, Literal

from app.db.tables import JobEventTable
from app.domain.curves import downsample
from app.domain.landmarks import smooth_losses
from app.errors import FieldError, Unprocessable, did_you_mean
from app.jobs.schemas import Metrics

Phase = Literal["range_test", "verifying", "training"]
Column = list[int | float | None]

HISTORY = ["steps", "epoch", "rewind"]  #: the events that columns are read from

_STEP_COLUMNS: dict[Phase, tuple[str, ...]] = {
    "range_test": ("step", "sweep", "learning_rate", "loss", "smoothed_loss"),  # one sweep or many: the same columns
    "verifying": ("step", "learning_rate", "momentum", "training_loss"),
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
    """Read the columns of one phase out of the history.

    The newest attempt wins per step, and a rewind of the training takes back what came after its step.
    """
    events = list(events)
    steps = _step_columns(events, phase)
    epochs = _epoch_columns(events) if phase == "training" else {}
    total = len(steps["step"])
    steps = _whole(downsample(_only(steps, series, "step"), max_points))
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
    rows = _newest_steps(events, phase)
    steps = sorted(rows)
    rates, momenta, losses = (
        (list(column) for column in zip(*(rows[step] for step in steps), strict=True)) if steps else ([], [], [])
    )
    columns: tuple[Column, ...] = ([*steps], rates, momenta, losses)
    if phase == "range_test":
        sweeps = _sweeps(rates)
        columns = ([*steps], [*sweeps], rates, losses, _smoothed(sweeps, rates, losses))
    return dict(zip(_STEP_COLUMNS[phase], columns, strict=True))


def _newest_steps(events: list[JobEventTable], phase: Phase) -> dict[int, tuple[float | None, ...]]:
    """Learning rate, momentum and loss of each step as it was taken last."""
    rows: dict[int, tuple[float | None, ...]] = {}
    for event in events:
        if event.type == "steps" and event.data["phase"] == phase:
            if event.data["first_step"] == 0 and phase != "training":
                rows = {}  # a search that a later attempt began anew may take fewer steps, a training does not
            columns = zip(event.data["learning_rate"], event.data["momentum"], event.data["loss"], strict=True)
            rows.update(enumerate(columns, event.data["first_step"]))
        elif event.type == "rewind" and phase == "training":
            rows = {step: row for step, row in rows.items() if step < event.data["to_step"]}
    return rows


def _sweeps(rates: Column) -> list[int]:
    """Which sweep each step is of, from 0: within one the rate rises, so where it does not, the next one begins."""
    begins = (int((later or 0.0) <= (earlier or 0.0)) for earlier, later in pairwise(rates))
    return list(accumulate(begins, initial=0)) if rates else []


def _smoothed(sweeps: list[int], rates: Column, losses: Column) -> Column:
    """Each sweep on its own."""
    smooth: list[float] = []
    for _, rows in groupby(zip(sweeps, rates, losses, strict=True), key=itemgetter(0)):
        known = [(rate or 0.0, math.nan if loss is None else loss) for _, rate, loss in rows]
        smooth += smooth_losses(*zip(*known, strict=True))
    return [value if math.isfinite(value) else None for value in smooth]


def _epoch_columns(events: list[JobEventTable]) -> dict[str, Column]:
    newest = _newest_epochs(events)
    epochs: Column = [*sorted(newest)]
    rows = [newest[epoch] for epoch in sorted(newest)]
    return {"epoch": epochs} | {name: [row.get(name) for row in rows] for name in _EPOCH_COLUMNS}


def _newest_epochs(events: list[JobEventTable]) -> dict[int, dict[str, Any]]:
    """Each epoch's last scores; an epoch ends at the step that the history had reached by then."""
    reached, ended = 0, dict[int, int]()
    newest: dict[int, dict[str, Any]] = {}
    for event in events:
        match event.type:
            case "steps" if event.data["phase"] == "training":
                reached = event.data["first_step"] + len(event.data["loss"])
            case "epoch":
                newest[event.data["epoch"]], ended[event.data["epoch"]] = event.data, reached
            case "rewind":
                newest = {epoch: data for epoch, data in newest.items() if ended[epoch] <= event.data["to_step"]}
    return newest


def _whole(columns: dict[str, list[float | None]]) -> dict[str, Column]:
    """The same with whole numbers in the columns that count, which arithmetic made floats."""
    counts = {"step", "sweep"}
    return {
        name: [int(value or 0) for value in column] if name in counts else [*column] for name, column in columns.items()
    }


def _only(columns: dict[str, Column], series: list[str], index: str) -> dict[str, Column]:
    return {name: column for name, column in columns.items() if not series or name in series or name == index}
