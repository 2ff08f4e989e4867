"""What accuracy a whole cycle reaches at any largest learning rate: a curve through the grid, and its error."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.selection.grid import CLIFF, accuracy
from benchmarks.selection.records import Records

CLASSES = 10
BOOTSTRAPS = 200

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


def truth_of(records: Records) -> Truth:
    """Fit what was measured on the grid, and half-way to a cliff."""
    runs = _runs(records)
    rates = sorted(runs)
    log_lr, values = np.log(np.array(rates)), [np.array(runs[lr]) for lr in rates]
    fitted = _fit(log_lr, values)
    chooser = np.random.default_rng(0)
    curves = [_fit(log_lr, [_resampled(each, chooser) for each in values]) for _ in range(BOOTSTRAPS)]
    top = int(fitted.argmax())
    return Truth(
        log_lr=log_lr,
        fitted=fitted,
        best=float(fitted[top]),
        best_lr=rates[top],
        error=100 * float(np.std([curve[top] for curve in curves])),
        deviation=100 * float(np.std(values[top], ddof=1)),
        seeds=len(values[top]),
    )


def _runs(records: Records) -> dict[float, list[float]]:
    found: dict[float, list[float]] = {}
    for record in records.all("whole"):
        if is_on_grid(record["lr"]):
            found.setdefault(record["lr"], []).append(accuracy(record, classes=CLASSES))
    return found


def is_on_grid(lr: float) -> bool:
    """Whether it is a power of the square root of two; what was trained at a pick is not."""
    halves = 2 * math.log2(lr)
    return abs(halves - round(halves)) < 1e-6


def _resampled(values: Array, chooser: np.random.Generator) -> Array:
    drawn: Array = chooser.choice(values, len(values))
    return drawn


def _fit(grid: Array, values: list[Array]) -> Array:
    """Means, smoothed by local parabolas within each stretch without a cliff; a line leads over it."""
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
