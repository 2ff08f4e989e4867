"""Which weight decays survive their sweeps: those that learn as much as any, and allow the largest rates of these."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.plans.family import Child

DECADES = 0.15  #: by which an edge may lie below the largest
# Luck alone moves the lowest held-out loss of so short a run by as much: ResNet-9 of width 4 on the digits, swept over
# 100 steps at decays of 4.8, 5.0 and 5.2e-4, came to losses 15, 21 and 34 % apart with three seeds.
NOISE = 0.2  #: share by which a loss may lie above the smallest


@dataclass(frozen=True, slots=True)
class Swept:
    """What the range test of one decay has shown."""

    decay: float
    job_id: str
    edge: float  #: the largest rate with a loss as low as the minimum's; where the curve has none, the pick
    max_lr: float
    lowest_loss: float  #: of the smooth curve

    @classmethod
    def of(cls, decay: float, child: Child | None) -> "list[Swept]":
        """Nothing where its range test is missing, has not ended, or failed."""
        found = child.result if child is not None else None
        if child is None or found is None:
            return []
        edge, max_lr = found["landmarks"].get("edge") or found["max_lr"], found["max_lr"]
        return [cls(decay, child.id, float(edge), float(max_lr), float(found["lowest_loss"]))]


def survivors(found: Sequence[Swept]) -> list[Swept]:
    """Those whose loss is within noise of the smallest, and of these the ones whose edge is near the largest.

    Losses come first, because the edge of a sweep that learnt nothing means nothing.
    """
    if not found:
        return []
    smallest = min(one.lowest_loss for one in found)
    low = [one for one in found if one.lowest_loss <= smallest * (1 + NOISE)]
    farthest = max(one.edge for one in low)
    return [one for one in low if farthest <= one.edge * 10**DECADES]


def spread(found: Sequence[Swept], most: int) -> list[Swept]:
    """So many of them, at least two, from the first to the last at even distances; all where they are no more."""
    if len(found) <= most:
        return list(found)
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]
