"""The largest learning rate of a training: what was picked, what that cost, and how a divergence lowers it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.verification import FEWEST_STEPS
from worker.engine.errors import LrDiverged
from worker.messages import Settled

MOST_RESTARTS = 2
DIVISOR = 3.0

_WHY_FALLBACK = (
    "What this service's own rule reads off the same range test. Where training at the landmark diverges, it begins "
    "again at this or at a third of the landmark, whichever is less."
)
_WHY_RESTARTS = f"How often the training diverged and began again; at most {MOST_RESTARTS} times."


@dataclass(frozen=True, slots=True)
class MaxLr:
    """A learning rate with its reason; `restarts` trainings diverged at larger ones that were picked before it."""

    value: float
    reason: str = ""
    search_steps: int = 0  #: optimizer steps that left nothing but this number
    restarts: int = 0
    origin: str = "range_test"  #: what it was found by
    fallback: float | None = None  #: after a landmark: what our own rule reads off the same range test

    @classmethod
    def of_resolved(cls, known: Mapping[str, Any]) -> "MaxLr | None":
        """What an earlier attempt settled, or None where the search is not over yet."""
        if "max_lr" not in known:
            return None
        restarts = known.get("restarts", {"value": 0})["value"]
        return cls(
            value=float(known["max_lr"]["value"]),
            reason=known["max_lr"]["reason"],
            search_steps=int(known["search_steps"]["value"]),
            restarts=int(restarts),
            origin=known["max_lr"]["origin"],
            fallback=known.get("fallback_max_lr", {"value": None})["value"],
        )

    def lowered(self, error: LrDiverged, *, lost_steps: int) -> "MaxLr":
        """Smaller after a training that diverged; raises LrDiverged when it was lowered twice already."""
        if self.restarts >= MOST_RESTARTS:
            detail = f"max_lr was lowered {self.restarts} times, to {self.value:.2g}. {error.detail}"
            raise LrDiverged(detail, hint=self._hint) from error
        value, source = self._next
        told = f"Training at {self.value:.2g} diverged, so it began again at {value:.2g}, {source}. {error.detail}"
        return replace(
            self,
            value=value,
            reason=f"{self.reason} {told}",
            search_steps=self.search_steps + lost_steps,
            restarts=self.restarts + 1,
        )

    @property
    def _next(self) -> tuple[float, str]:
        """A third; or after a landmark, which may lie far beyond what trains, our own rule's rate if that is less."""
        third = self.value / DIVISOR
        if self.fallback is not None and self.fallback < third:
            return self.fallback, "which this service's own rule reads off the same range test"
        return third, "a third of it"

    @property
    def _hint(self) -> str:
        return (
            f"Give schedule.max_lr as a number below {self.value:.2g}, or, where schedule.pick names a landmark and "
            f'the training has {FEWEST_STEPS} optimizer steps or more, set it to "best", which tries short cycles. '
            "If that diverges as well, look at the data."
        )

    def settle(self, send: Callable[[Settled], None]) -> None:
        """Say all of it; max_lr last, since its presence tells the next attempt that the search is over."""
        send(Settled("search_steps", self.search_steps, self.origin, "Optimizer steps spent on finding max_lr."))
        if self.fallback is not None:
            send(Settled("fallback_max_lr", self.fallback, "range_test", _WHY_FALLBACK))
        if self.restarts:
            send(Settled("restarts", self.restarts, "divergence", _WHY_RESTARTS))
        send(Settled("max_lr", self.value, self.origin, self.reason))
