"""When a loss has left for good: the rules of the range test (which looks for it) and of training (which fears it)."""

import math
from collections.abc import Sequence
from typing import Literal

Verdict = Literal["diverged", "non_finite"]


def loss_of_guessing(classes: int) -> float:
    """The cross-entropy of giving every class the same chance."""
    return math.log(max(classes, 2))


class SweepStop:
    """Ends a sweep: at a loss that is no number, or the third in a row above max(4 × best, 3 × initial)."""

    def __init__(self) -> None:
        self._initial = self._best = math.nan
        self._high = 0

    def look_at(self, losses: Sequence[float]) -> tuple[int, Verdict] | None:
        """How many of these losses belong to the sweep and why it ends there, or None if it goes on."""
        for position, loss in enumerate(losses, start=1):
            if not math.isfinite(loss):
                return position, "non_finite"
            if self._is_third_high(loss):
                return position, "diverged"
        return None

    def _is_third_high(self, loss: float) -> bool:
        if math.isnan(self._initial):
            self._initial = self._best = loss
        self._best = min(self._best, loss)
        # One spike is not divergence.
        self._high = self._high + 1 if loss > max(4 * self._best, 3 * self._initial) else 0
        return self._high >= 3


class TrainingGuard:
    """Tells an exploding loss from the large one of a healthy large rate.

    The measure is the loss of guessing, or of the first step where that is larger. Once 100 times as much, or
    10 times in five steps in a row, is beyond what a cycle recovers from.
    """

    def __init__(self, classes: int) -> None:
        self.reference = loss_of_guessing(classes)
        self.high = 0
        self._seen = False

    def look_at(self, losses: Sequence[float]) -> str | None:
        """What is wrong with these losses, in words, or None."""
        for loss in losses:
            if not math.isfinite(loss):
                return "the loss is no longer a number"
            if not self._seen:
                self._seen, self.reference = True, max(self.reference, loss)
            self.high = self.high + 1 if loss > 10 * self.reference else 0
            if self.high >= 5 or loss > 100 * self.reference:
                return f"the loss is {loss:.3g}, and training began at {self.reference:.3g}"
        return None

    def state(self) -> dict[str, float | int]:
        """What a resumed training must know."""
        return {"reference": self.reference, "high": self.high, "seen": int(self._seen)}

    def restore(self, state: dict[str, float | int]) -> None:
        """Go on from `state`."""
        self.reference, self.high, self._seen = float(state["reference"]), int(state["high"]), bool(state["seen"])
