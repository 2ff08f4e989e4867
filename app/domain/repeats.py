"""Several sweeps of one range test: read together as their mean, and apart to see how much of the pick is luck."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.domain.smoothing import Array
from app.domain.suggestion import WIDE, OptimizerName, Stopped, Suggestion, WarningCode, suggest_learning_rate


@dataclass(frozen=True, slots=True)
class Curve:
    """One sweep: its learning rates, the raw loss of each step, and how it ended."""

    rates: Sequence[float]
    losses: Sequence[float]
    stopped: Stopped
    extended: bool


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of the losses as far as every sweep went; a step that is no number in one is none in the mean."""
    shortest = min(curves, key=lambda curve: len(curve.losses))
    count = len(shortest.losses)
    losses: Array = np.mean([np.asarray(curve.losses[:count], dtype=np.float64) for curve in curves], axis=0)
    extended = any(curve.extended for curve in curves)
    return Curve(shortest.rates[:count], losses.tolist(), shortest.stopped, extended)


def suggest_from(curves: Sequence[Curve], *, optimizer: OptimizerName = "sgd") -> Suggestion:
    """Read a range test of one sweep or more, all over the same learning rates.

    The interval of several spans what each of them alone would have picked. Raises ValueError as
    `suggest_learning_rate` does.
    """
    together = _read(mean_curve(curves), optimizer)
    if len(curves) == 1:
        return together
    picks = [_read(curve, optimizer).max_lr for curve in curves]
    low, high = min(*picks, together.max_lr), max(*picks, together.max_lr)
    told = f"Alone, the {len(curves)} sweeps pick {low:.2g} to {high:.2g}."
    changes = {"interval": (low, high), "warnings": _warnings(together, spread=high / low)}
    return together.model_copy(update={**changes, "reason": f"{together.reason} {told}"})


def _read(curve: Curve, optimizer: OptimizerName) -> Suggestion:
    return suggest_learning_rate(
        curve.rates, curve.losses, optimizer=optimizer, stopped=curve.stopped, extended=curve.extended
    )


def _warnings(together: Suggestion, *, spread: float) -> tuple[WarningCode, ...]:
    unsure = spread > WIDE and "low_confidence" not in together.warnings
    return (*together.warnings, "low_confidence") if unsure else together.warnings
