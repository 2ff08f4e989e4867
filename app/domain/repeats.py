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
    held_out: Sequence[float | None] | None = None  #: before each step; None where it was not looked at

    @property
    def read(self) -> "Curve":
        """What landmarks are read off: the held-out losses where there are any, with the rates of their steps."""
        if self.held_out is None:
            return self
        seen = [(rate, loss) for rate, loss in zip(self.rates, self.held_out, strict=True) if loss is not None]
        return Curve([rate for rate, _ in seen], [loss for _, loss in seen], self.stopped, self.extended)


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
    if curves[0].held_out is not None:
        suggestion = suggest_from([curve.read for curve in curves], optimizer=optimizer)
        reason = f"Read off the loss on held-out images. {suggestion.reason}"
        return suggestion.model_copy(update={"read_from": "held_out", "reason": reason})
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
