"""Which batch-norm momentum suits a training's length, and which of several came closest to exact statistics.

Momentum is torch's: the weight of the new batch. The published settings of super-convergence (Smith & Topin 2019,
arXiv:1708.07120) follow one rule: steps × momentum is between 400 and 600.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WEIGHT = 550.0  # of momentum × batches in the whole training
SMALLEST, LARGEST = 0.01, 0.4
FACTORS = (1.0, 0.25, 0.5, 2.0, 4.0)  # of the rule's; itself first


def rule_momentum(updates: int) -> float:
    """The momentum for so many updates of the statistics: one a batch, so that accumulation counts each of its own."""
    return min(max(WEIGHT / updates, SMALLEST), LARGEST)


def why_rule(updates: int) -> str:
    """The reason for `rule_momentum`."""
    clipped = "" if SMALLEST < WEIGHT / updates < LARGEST else f", kept within {SMALLEST:g} and {LARGEST:g}"
    return f"{WEIGHT:g} over the {updates} batches of the training{clipped}; to be compared with others at its end"


def momenta_around(rule: float) -> list[float]:
    """The candidates, the rule's first; none is above 1, and none is there twice."""
    return list(dict.fromkeys(min(1.0, factor * rule) for factor in FACTORS))


@dataclass(frozen=True, slots=True)
class Followed:
    """How the network does on the validation images with the running statistics of one momentum."""

    momentum: float
    loss: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same weights with running statistics at several momenta, the rule's first, and with exact ones."""

    followed: Sequence[Followed]
    exact_loss: float
    exact_accuracy: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Comparison":
        """What `as_dict` made, read again."""
        followed = [
            Followed(one["momentum"], _number(one["validation_loss"]), one["validation_accuracy"])
            for one in found["momenta"]
        ]
        followed.sort(key=lambda one: one.momentum != found["rule"])
        return cls(followed, _number(found["exact"]["validation_loss"]), found["exact"]["validation_accuracy"])

    @property
    def rule(self) -> float:
        """What the training was looked at with."""
        return self.followed[0].momentum

    @property
    def picked(self) -> Followed:
        """The one with the smallest gap; of equal ones the first, so that the rule's wins a tie."""
        return min(self.followed, key=self.gap)

    def gap(self, followed: Followed) -> float:
        """How far its validation loss is from that with exact statistics, to either side.

        Below it is luck: running statistics are an estimate of the exact ones and cannot be better for a reason.
        """
        gap = abs(followed.loss - self.exact_loss)
        return gap if math.isfinite(gap) else math.inf

    @property
    def reason(self) -> str:
        """Why it was picked, in words."""
        told = ", ".join(f"{one.momentum:.3g}: {self.gap(one):.2g}" for one in self._rising)
        return f"Of these gaps between the validation loss and that with exact statistics the smallest: {told}."

    def as_dict(self) -> dict[str, Any]:
        """For the job's result."""
        exact = {"validation_loss": self.exact_loss, "validation_accuracy": self.exact_accuracy}
        return {"rule": self.rule, "momentum": self.picked.momentum, "exact": exact} | {
            "momenta": [
                {
                    "momentum": one.momentum,
                    "validation_loss": one.loss,
                    "validation_accuracy": one.accuracy,
                    "gap": self.gap(one),
                }
                for one in self._rising
            ]
        }

    @property
    def _rising(self) -> list[Followed]:
        return sorted(self.followed, key=lambda one: one.momentum)


def _number(loss: float | None) -> float:
    """JSON has null for what is none."""
    return math.nan if loss is None else loss
