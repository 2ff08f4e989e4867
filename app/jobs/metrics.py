"""A job's history as aligned columns of numbers, for plots and tables."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.domain.curves import downsample
from app.domain.landmarks import smooth_losses
from app.errors import FieldError, Unprocessable, did_you_mean
from app.jobs.schemas import Metrics

Phase = Literal["range_test", "verifying", "training"]
Column = list[int | float | None]
Array = NDArray[np.float64]
Block = tuple[int, tuple[list[float | None], ...]]  #: the first step, and columns from there on
C = TypeVar("C")


class Entry(Protocol):
    """What is read of an event."""

    @property
    def type(self) -> str: ...
    @property
    def data(self) -> dict[str, Any]: ...


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


# Only where a range test looked at held-out images.
_HELD_OUT = "held_out_loss"


def check_series(series: list[str], phase: Phase) -> None:
    """Raise for the name of a column that this phase does not have."""
    held_out = (_HELD_OUT,) if phase == "range_test" else ()
    known = [*_STEP_COLUMNS[phase], *held_out, *(("epoch", *_EPOCH_COLUMNS) if phase == "training" else ())]
    unknown = next((name for name in series if name not in known), None)
    if unknown is not None:
        detail = f"The phase {phase} has no series {unknown[:100]!r}{did_you_mean(unknown, known)}"
        error = FieldError(detail, "unknown_option", parameter="series")
        raise Unprocessable("unknown_option", detail, f"It has: {', '.join(known)}.", [error])


def collect(events: Iterable[Entry], phase: Phase, *, series: list[str], max_points: int) -> Metrics:
    """Read the columns of one phase out of the history.

    The newest attempt wins per step, and a rewind of the training takes back what came after its step.
    """
    events = list(events)
    steps: dict[str, Sequence[float | None] | Array] = {**_step_columns(events, phase)}
    epochs = _epoch_columns(events) if phase == "training" else {}
    total = len(steps["step"])
    points = _plain(downsample(_only(steps, series, "step"), max_points))
    epochs = _only(epochs, series, "epoch")
    return Metrics(phase=phase, steps=points, epochs=epochs, points=len(points["step"]), total_steps=total)


def as_csv(columns: dict[str, Column]) -> str:
    """A table with a header; what is not finite is `nan`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["nan" if value is None else value for value in row])
    return text.getvalue()


def _step_columns(events: list[Entry], phase: Phase) -> dict[str, Array]:
    steps, rates, momenta, losses, *held_out = _newest_steps(events, phase)
    columns: tuple[Array, ...] = (steps, rates, momenta, losses)
    if phase == "range_test":
        sweeps = _sweeps(rates)
        columns = (steps, sweeps, rates, losses, _smoothed(sweeps, rates, losses))
    names = (*_STEP_COLUMNS[phase], *[_HELD_OUT for _ in held_out])
    return dict(zip(names, (*columns, *held_out), strict=True))


def _newest_steps(events: list[Entry], phase: Phase) -> list[Array]:
    """The steps, rising, with learning rate, momentum and loss of each as it was taken last.

    And its held-out loss, in a range test that looked at that.
    """
    names = ["learning_rate", "momentum", "loss"]
    if phase == "range_test" and any(_HELD_OUT in event.data for event in events if event.type == "steps"):
        names.append(_HELD_OUT)
    blocks: list[Block] = []
    for event in events:
        if event.type == "steps" and event.data["phase"] == phase:
            if event.data["first_step"] == 0 and phase != "training":
                blocks = []  # a search that a later attempt began anew may take fewer steps, a training does not
            columns = tuple(event.data.get(name) or [None] * len(event.data["loss"]) for name in names)
            blocks.append((event.data["first_step"], columns))
        elif event.type == "rewind" and phase == "training":
            blocks = [_before(event.data["to_step"], block) for block in blocks]
    # Numbers all at once: a tuple for each of many steps would cost the most of an answer.
    steps = np.array([step for first, columns in blocks for step in range(first, first + len(columns[0]))], np.float64)
    series = [np.array([*chain.from_iterable(block[1][n] for block in blocks)], np.float64) for n in range(len(names))]
    _, last = np.unique(steps[::-1], return_index=True)  # of a step taken twice, the one that comes later
    return [column[len(steps) - 1 - last] for column in (steps, *series)]


def _before(step: int, block: Block) -> Block:
    """What of a block came before a step."""
    first, columns = block
    return first, tuple(column[: max(0, step - first)] for column in columns)


def _sweeps(rates: Array) -> Array:
    """Which sweep each step is of, from 0: within one the rate rises, so where it does not, the next one begins."""
    begins = np.diff(np.nan_to_num(rates), prepend=-np.inf) <= 0
    return np.cumsum(begins).astype(np.float64)


def _smoothed(sweeps: Array, rates: Array, losses: Array) -> Array:
    """Each sweep on its own."""
    begins = np.flatnonzero(np.diff(sweeps)) + 1
    pairs = zip(np.split(np.nan_to_num(rates), begins), np.split(losses, begins), strict=True)
    return np.concatenate([smooth_losses(*pair) for pair in pairs]) if len(rates) else losses


def _epoch_columns(events: list[Entry]) -> dict[str, Column]:
    newest = _newest_epochs(events)
    epochs: Column = [*sorted(newest)]
    rows = [newest[epoch] for epoch in sorted(newest)]
    return {"epoch": epochs} | {name: [row.get(name) for row in rows] for name in _EPOCH_COLUMNS}


def _newest_epochs(events: list[Entry]) -> dict[int, dict[str, Any]]:
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


def _plain(columns: dict[str, list[float | None]]) -> dict[str, Column]:
    """The same as plain numbers: whole ones in the columns that count, None for what is not finite."""
    return {
        name: [_number(value, is_count=name in ("step", "sweep")) for value in column]
        for name, column in columns.items()
    }


def _number(value: float | None, *, is_count: bool) -> int | float | None:
    if value is None or not math.isfinite(value):
        return None
    return int(value) if is_count else float(value)


def _only(columns: Mapping[str, C], series: list[str], index: str) -> dict[str, C]:
    return {name: column for name, column in columns.items() if not series or name in series or name == index}
