"""From a range-test curve to a largest learning rate, how sure it is, and why, in words."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from app.domain.landmarks import Landmarks, Reading, Sweep, find_landmarks, read_sweep
from app.domain.smoothing import Array

Stopped = Literal["diverged", "end", "non_finite"]
OptimizerName = Literal["sgd", "adam", "adamw"]
WarningCode = Literal["no_descent", "range_extended", "no_divergence", "low_confidence"]

# A sweep shows each learning rate only for a moment, so what it survives there says little about a whole cycle: on real
# data complete cycles at the minimum collapsed (LeNet on MNIST lost 17 to 88 points), and a tenth of it cost up to 11.
# Half the minimum, but well below the divergence, stayed clear of every cliff measured: LeNet on MNIST picks 0.006 to
# 0.03 where 0.18 collapses, an MLP on digits 0.07 where 1.8 does, ResNet-9 on digits 0.02 to 0.03 where 1.0 does.
MINIMUM_MARGIN = 2.0
DIVERGENCE_MARGIN = 5.0
FALLBACK: dict[OptimizerName, float] = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001}  # rarely best, hardly ever fatal

RESAMPLES = 200
BLOCK = 5  # steps
MANY_POINTS = 30  # with fewer, noise and trend are hard to tell apart
WIDE = 10.0  # an interval of more than a decade says little

_WARNINGS: dict[WarningCode, str] = {
    "no_descent": "The loss never fell below where it began, so max_lr is a careful default, not read from the curve.",
    "range_extended": "The loss had not broken away at the planned end, so the sweep went on for another decade.",
    "no_divergence": "The sweep ended before the loss broke away, so larger rates may be as good.",
    "low_confidence": "The curve is too short or too noisy to be sure; more steps would tell.",
}


class Suggestion(BaseModel):
    """A pick with its evidence. `model_dump()` is a range test's result; the curve and the sentences stay apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_lr: float
    min_lr: float
    rule: Literal["margin", "fallback"]
    interval: tuple[float, float] = Field(description="Where 90 % of the picks lie with other noise.")
    landmarks: Landmarks
    lowest_loss: float = Field(description="The smallest loss of the smooth curve.")
    stopped: Stopped
    read_from: Literal["training", "held_out"] = Field("training", description="Whose loss it was read off.")
    warnings: tuple[WarningCode, ...]
    reason: str
    smoothed: tuple[float, ...] = Field(exclude=True, description="One per loss; NaN where the loss was not finite.")
    explanations: dict[str, str] = Field(exclude=True, description="A sentence for each landmark that is there.")

    @staticmethod
    def explain_warning(code: WarningCode) -> str:
        """What a warning means, in a sentence."""
        return _WARNINGS[code]


def suggest_learning_rate(
    learning_rates: Sequence[float],
    losses: Sequence[float],
    *,
    optimizer: OptimizerName = "sgd",
    stopped: Stopped = "end",
    extended: bool = False,
) -> Suggestion:
    """Read a range test: raw losses, each of the step made with the learning rate beside it.

    `stopped` is why the sweep ended, `extended` whether it went on beyond its planned end.
    Raises ValueError where fewer than five losses are finite. A curve that tells nothing gives a careful default and
    the warning `no_descent`.
    """
    sweep = read_sweep(learning_rates, losses)
    reading = find_landmarks(sweep, sweep.losses)
    if stopped != "end" and reading.landmarks.divergence is None:
        reading = reading.diverging_at(float(learning_rates[-1]))
    max_lr = _pick(sweep, reading, optimizer=optimizer)
    interval = _interval(sweep, reading, max_lr=max_lr)
    warnings = _warnings(sweep, reading, interval=interval, extended=extended)
    return Suggestion(
        max_lr=max_lr,
        min_lr=max_lr / 10,
        rule="margin" if reading.descends else "fallback",
        interval=interval,
        landmarks=reading.landmarks,
        lowest_loss=float(reading.smooth[reading.lowest]),
        stopped=stopped,
        warnings=warnings,
        reason=_reason(sweep, reading, max_lr=max_lr, warnings=warnings),
        smoothed=_smoothed(sweep, reading, learning_rates=learning_rates, losses=losses),
        explanations=_explanations(sweep, reading),
    )


# -- the rule ---------------------------------------------------------------------------------------------------------


def _pick(sweep: Sweep, reading: Reading, *, optimizer: OptimizerName) -> float:
    divergence = reading.landmarks.divergence
    below_the_cliff = float("inf") if divergence is None else divergence / DIVERGENCE_MARGIN
    if reading.landmarks.minimum is None:
        # Within what was swept, but never for that reason closer to the cliff.
        return min(float(np.clip(FALLBACK[optimizer], *sweep.bounds)), below_the_cliff)
    return min(reading.landmarks.minimum / MINIMUM_MARGIN, below_the_cliff)


# -- how sure it is ---------------------------------------------------------------------------------------------------


def _interval(sweep: Sweep, reading: Reading, *, max_lr: float) -> tuple[float, float]:
    """The middle 90 % of the picks from curves with the same trend and other noise (block bootstrap)."""
    low, high = _bootstrapped(sweep, reading) or (max_lr / WIDE, max_lr * WIDE)
    # No finer than the sweep itself: half a step to either side of the pick is always in.
    half_step = float(np.exp(np.median(np.diff(sweep.log_lr)) / 2))
    low, high = min(low, max_lr / half_step), max(high, max_lr * half_step)
    first, last = sweep.bounds
    return min(max(low, first), max_lr), max(min(high, last), max_lr)


def _bootstrapped(sweep: Sweep, reading: Reading) -> tuple[float, float] | None:
    if not reading.descends:
        return None
    resampled = (find_landmarks(sweep, losses) for losses in _resample(sweep, reading))
    picks = [_pick(sweep, other, optimizer="sgd") for other in resampled if other.descends]
    if not picks:
        return None
    low, high = np.quantile(picks, [0.05, 0.95])
    return float(low), float(high)


def _resample(sweep: Sweep, reading: Reading) -> Array:
    """Curves whose residuals, block by block, are multiplied by a random number (wild bootstrap), shape (n, points).

    They stay in their place, because the noise shrinks with the loss and explodes with the divergence; in blocks,
    because neighbouring losses share weights and so their luck.
    """
    blocks = -(-sweep.points // BLOCK)
    factors = np.random.default_rng(0).standard_normal((RESAMPLES, blocks)).repeat(BLOCK, axis=1)
    curves: Array = reading.smooth + (sweep.losses - reading.smooth) * factors[:, : sweep.points]
    return np.minimum(curves, sweep.cap)


def _warnings(
    sweep: Sweep, reading: Reading, *, interval: tuple[float, float], extended: bool
) -> tuple[WarningCode, ...]:
    unsure = sweep.points < MANY_POINTS or interval[1] > WIDE * interval[0] or not reading.descends
    found: dict[WarningCode, bool] = {
        "no_descent": not reading.descends,
        "range_extended": extended,
        "no_divergence": reading.landmarks.divergence is None,
        "low_confidence": unsure,
    }
    return tuple(code for code, holds in found.items() if holds)


# -- words ------------------------------------------------------------------------------------------------------------


def _reason(sweep: Sweep, reading: Reading, *, max_lr: float, warnings: tuple[WarningCode, ...]) -> str:
    told = [code for code in warnings if code != "no_descent"]  # that one is why
    sentences = [_why(sweep, reading, max_lr=max_lr), *(_WARNINGS[code] for code in told)]
    if "no_divergence" in told and "range_extended" not in told:
        sentences.append("A larger end_lr would show more.")
    return " ".join(sentences)


def _why(sweep: Sweep, reading: Reading, *, max_lr: float) -> str:
    minimum, divergence = reading.landmarks.minimum, reading.landmarks.divergence
    if minimum is None:
        return (
            f"The loss never fell below where it began ({sweep.initial:.3g}), so the sweep shows no best rate; "
            f"{max_lr:.2g} is a careful default. Sweep more steps, or look at the data and the network."
        )
    fell = f"The loss fell from {sweep.initial:.3g} to {reading.smooth[reading.lowest]:.3g} at {minimum:.2g}"
    if divergence is not None and max_lr < minimum / MINIMUM_MARGIN:
        below = f"a factor of {DIVERGENCE_MARGIN:g} below {divergence:.2g}, where it broke away"
    else:
        below = f"a factor of {MINIMUM_MARGIN:g} below that"
    return f"{fell}; {max_lr:.2g} is {below}, because a whole cycle survives less than a step of a sweep does."


def _explanations(sweep: Sweep, reading: Reading) -> dict[str, str]:
    loss, noise = reading.smooth[reading.lowest], reading.noise
    sentences = {
        "edge": f"The largest rate, going up from the minimum, with a loss within noise ({noise:.2g}) of it.",
        "steepest": "The loss falls fastest here per decade of learning rate.",
        "minimum": f"The smooth loss is smallest here: {loss:.3g}, down from {sweep.initial:.3g}.",
        "minimum_over_ten": "A tenth of the minimum: a common, careful choice.",
        "valley": "The middle of the longest falling stretch of the curve.",
        "divergence": "From here on half of what was learnt is lost, or the loss is no number any more.",
    }
    return {name: sentences[name] for name, rate in reading.landmarks if rate is not None}


def _smoothed(
    sweep: Sweep, reading: Reading, *, learning_rates: Sequence[float], losses: Sequence[float]
) -> tuple[float, ...]:
    smooth = np.interp(np.log(learning_rates), sweep.log_lr, reading.smooth)
    return tuple(np.where(np.isfinite(np.asarray(losses, dtype=np.float64)), smooth, np.nan).tolist())
