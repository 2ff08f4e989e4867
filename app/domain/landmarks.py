"""Where a range test's loss falls, bottoms out and breaks away, read from a zero-phase fit in log lr, never an EMA."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.domain.smoothing import Array, condense, loess_matrix

MOST_POINTS = 200  # keeps the smoothing matrix small; a longer sweep is averaged over runs of neighbours first
LARGEST_LOSS = 1e100  # keeps squares and sums of what exploded within floating point
FEWEST_POINTS = 5  # a straight line through three neighbours, with something left to compare


class Landmarks(BaseModel):
    """Learning rates with a meaning; None where the curve does not have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edge: float | None = None
    steepest: float | None = None
    minimum: float | None = None
    minimum_over_ten: float | None = None
    valley: float | None = None
    divergence: float | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """A cleaned range-test curve: finite, condensed, with the explosion capped so that it cannot drown the valley."""

    log_lr: Array
    rates: Array  #: the same, but free of the rounding that a logarithm and back would add
    bounds: tuple[float, float]  #: the first and the last learning rate of all
    losses: Array  #: capped at `cap`
    initial: float  #: the loss before the learning rate did anything
    cap: float
    broke_at: float | None  #: the first learning rate from which no loss was finite any more
    smoother: Array

    @property
    def points(self) -> int:
        """How many points are left to read."""
        return len(self.losses)


@dataclass(frozen=True, slots=True)
class Reading:
    """A smooth curve of a sweep and what was found on it."""

    smooth: Array
    noise: float  #: standard deviation of a single loss around the curve, up to the lowest point
    lowest: int  #: index of the smallest smooth loss
    edge: int  #: the last index, going up from there, whose loss is within noise of it
    descends: bool  #: whether the loss fell by more than chance
    landmarks: Landmarks

    def diverging_at(self, rate: float) -> "Reading":
        """The same, where whoever ran the sweep saw it diverge and the smooth curve does not show it yet."""
        return replace(self, landmarks=self.landmarks.model_copy(update={"divergence": rate}))


def read_sweep(learning_rates: Sequence[float] | Array, losses: Sequence[float] | Array) -> Sweep:
    """Check and clean a range-test curve; raises ValueError where there is nothing to read."""
    rates, raw = np.asarray(learning_rates, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if rates.shape != raw.shape or rates.ndim != 1:
        raise ValueError(f"learning_rates and losses must be equally long lists, not {rates.shape} and {raw.shape}")
    if not (np.isfinite(rates).all() and (rates > 0).all() and (np.diff(rates) > 0).all()):
        raise ValueError("learning_rates must be positive, finite and rising")
    finite = np.isfinite(raw)
    if finite.sum() < FEWEST_POINTS:
        raise ValueError(
            f"only {finite.sum()} of {len(raw)} losses are finite, and a range test needs at least {FEWEST_POINTS}; "
            "start at a lower learning rate, and look for NaN in the data"
        )
    after = int(np.flatnonzero(finite)[-1]) + 1
    broke_at = float(rates[after]) if after < len(rates) else None
    bounds = float(rates[0]), float(rates[-1])
    losses_read = np.clip(raw[finite], -LARGEST_LOSS, LARGEST_LOSS)
    return _condensed(rates[finite], losses_read, bounds=bounds, broke_at=broke_at)


def smooth_losses(learning_rates: Sequence[float] | Array, losses: Sequence[float] | Array) -> list[float]:
    """The smooth loss at each step, NaN where the loss was not finite or the curve is too short to smooth."""
    finite = np.isfinite(np.asarray(losses, dtype=np.float64))
    if finite.sum() < FEWEST_POINTS:
        return [float("nan")] * len(losses)
    sweep = read_sweep(learning_rates, losses)
    smooth = np.interp(np.log(learning_rates), sweep.log_lr, sweep.smoother @ sweep.losses)
    return list(np.where(finite, smooth, np.nan).tolist())


def _condensed(rates: Array, losses: Array, *, bounds: tuple[float, float], broke_at: float | None) -> Sweep:
    initial = float(np.median(losses[: max(3, len(losses) // 10)]))
    cap = initial + max(0.2 * abs(initial), initial - float(losses.min()))  # no higher above than the valley is deep
    log_lr, losses = condense(np.log(rates), most=MOST_POINTS), condense(np.minimum(losses, cap), most=MOST_POINTS)
    runs = np.array_split(rates, len(losses))
    centres = np.array([run[0] if len(run) == 1 else np.exp(np.log(run).mean()) for run in runs])
    smoother = loess_matrix(log_lr, neighbours=_neighbours(len(losses)))
    return Sweep(log_lr, centres, bounds, losses, initial=initial, cap=cap, broke_at=broke_at, smoother=smoother)


def _neighbours(points: int) -> int:
    """A tenth of the sweep: wide enough for noise, narrow enough for a valley that is short and close to the cliff."""
    return max(7, round(0.1 * points))


def find_landmarks(sweep: Sweep, losses: Array) -> Reading:
    """Everything there is to know about one curve over the sweep's learning rates."""
    smooth = sweep.smoother @ losses
    lowest = int(smooth.argmin())
    residuals = (losses - smooth)[: max(lowest + 1, sweep.points // 2)]  # what lies past the minimum explodes
    noise = 1.4826 * float(np.median(np.abs(residuals)))  # the median ignores a spike; 1.4826 makes it a deviation
    depth = sweep.initial - float(smooth[lowest])
    # Chance alone reaches three standard errors of the smooth curve, twice as large at its ends; `initial` errs too.
    chance = 8 * noise / _neighbours(sweep.points) ** 0.5
    descends = lowest > 0 and depth > max(chance, 0.02 * abs(sweep.initial))
    lost = sweep.initial + (-0.5 * depth if descends else max(2 * noise, 0.1 * abs(sweep.initial)))
    divergence = _divergence(sweep, smooth, lowest=lowest, lost=lost)
    edge = _edge(smooth, lowest=lowest, noise=noise)
    if not descends:
        return Reading(smooth, noise, lowest, edge, descends, Landmarks(divergence=divergence))
    rates = sweep.rates
    slope = np.gradient(smooth[: lowest + 1], sweep.log_lr[: lowest + 1])
    landmarks = Landmarks(
        edge=float(rates[edge]),
        steepest=float(rates[slope.argmin()]),
        minimum=float(rates[lowest]),
        minimum_over_ten=float(rates[lowest]) / 10,
        valley=float(rates[_valley(smooth)]),
        divergence=divergence,
    )
    return Reading(smooth, noise, lowest, edge, descends, landmarks)


def _edge(smooth: Array, *, lowest: int, noise: float) -> int:
    """As large as the learning rate gets, from the minimum on, with the loss within noise of it."""
    above = np.flatnonzero(smooth[lowest:] > smooth[lowest] + noise)
    return lowest + int(above[0]) - 1 if len(above) else len(smooth) - 1


def _divergence(sweep: Sweep, smooth: Array, *, lowest: int, lost: float) -> float | None:
    """Past the minimum, the first learning rate whose loss is above `lost`, or is no number any more."""
    gone = np.flatnonzero(smooth[lowest:] >= lost)
    return float(sweep.rates[lowest + gone[0]]) if len(gone) else sweep.broke_at


def _valley(smooth: Array) -> int:
    """The middle of the longest falling stretch (steps up may lie within), as fastai's rule reads it."""
    ends: list[float] = []  # ends[n]: the negated value in which some falling subsequence of n + 1 points ends
    lengths = []
    for value in (-smooth).tolist():
        place = bisect_left(ends, value)
        ends[place : place + 1] = [value]
        lengths.append(place + 1)
    last = int(np.argmax(lengths))
    length = lengths[last]
    return max(0, last - length + length // 3 + length // 6)
