"""What accuracy a whole cycle reaches at any largest learning rate: a curve through the grid, and its error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.selection.grid import accuracy
from benchmarks.selection.records import Records
from benchmarks.selection.tasks import Task

CLASSES = 10
BOOTSTRAPS = 200
FEWEST_SEEDS = 5
CLIFF = 0.05  # neighbours further apart in accuracy are joined by a line: no smoothing across a collapse

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """Accuracy over log lr, its best, and the standard error of that best."""

    log_lr: Array
    fitted: Array
    best: float
    best_lr: float
    error: float
    deviation: float  #: over seeds, at the grid's best rate
    seeds: int

    def accuracy(self, lr: float) -> float:
        """At any rate; beyond the grid what its end says."""
        return float(np.interp(np.log(lr), self.log_lr, self.fitted))

    def regret(self, lr: float) -> float:
        """Points below the best."""
        return 100 * (self.best - self.accuracy(lr))


def truth_of(task: Task, records: Records) -> Truth:
    """Fit what was measured."""
    runs = _runs(task, records)
    grid = np.log(np.array([lr for lr in task.grid if runs[lr]]))
    fitted = _fit(grid, [np.array(runs[lr]) for lr in task.grid if runs[lr]])
    chooser = np.random.default_rng(0)
    bests = [
        _fit(grid, [_resampled(np.array(runs[lr]), chooser) for lr in task.grid if runs[lr]]) for _ in range(BOOTSTRAPS)
    ]
    top = int(fitted.argmax())
    values = runs[[lr for lr in task.grid if runs[lr]][top]]
    return Truth(
        log_lr=grid,
        fitted=fitted,
        best=float(fitted[top]),
        best_lr=float(np.exp(grid[top])),
        # Of the curve at its best rate, and the best rate's own luck with it.
        error=100 * float(np.std([curve[top] for curve in bests])),
        deviation=100 * float(np.std(values, ddof=1)) if len(values) > 1 else float("nan"),
        seeds=len(values),
    )


def _runs(task: Task, records: Records) -> dict[float, list[float]]:
    found: dict[float, list[float]] = {lr: [] for lr in task.grid}
    for record in records.all("whole"):
        if record["lr"] in found:
            found[record["lr"]].append(accuracy(record, classes=CLASSES))
    return found


def _resampled(values: Array, chooser: np.random.Generator) -> Array:
    drawn: Array = chooser.choice(values, len(values))
    return drawn


def _fit(grid: Array, values: list[Array]) -> Array:
    """Means, smoothed by local parabolas within each stretch without a cliff."""
    means = np.array([value.mean() for value in values])
    breaks = np.flatnonzero(np.abs(np.diff(means)) > CLIFF) + 1
    pieces = [
        _smooth(places, piece) for places, piece in zip(np.split(grid, breaks), np.split(means, breaks), strict=True)
    ]
    return np.concatenate(pieces)


def _smooth(places: Array, means: Array) -> Array:
    """Local parabolas: a line would cut the top off."""
    if len(means) < 5:
        return means
    return np.array([_parabola(places, means, at=place) for place in places])


def _parabola(places: Array, means: Array, *, at: float) -> float:
    nearest = np.argsort(np.abs(places - at))[:5]
    return float(np.polyval(np.polyfit(places[nearest], means[nearest], 2), at))
