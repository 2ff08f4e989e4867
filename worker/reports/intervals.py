"""Means of a few trainings with how sure they are: Student's t, two-sided, 95 %."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `n` trainings; a single one says nothing of how sure it is, so it has no interval."""

    mean: float
    low: float | None
    high: float | None
    n: int

    def as_dict(self) -> dict[str, Any]:
        """The shape in results."""
        interval = None if self.low is None or self.high is None else [self.low, self.high]
        return {"mean": self.mean, "interval": interval, "n": self.n}


def estimated(values: Sequence[float]) -> Estimate | None:
    """The mean and its interval; None of nothing."""
    if not values:
        return None
    middle, n = mean(values), len(values)
    if n == 1:
        return Estimate(middle, None, None, 1)
    half = float(student.ppf((1 + CONFIDENCE) / 2, n - 1)) * stdev(values) / math.sqrt(n)
    return Estimate(middle, middle - half, middle + half, n)
