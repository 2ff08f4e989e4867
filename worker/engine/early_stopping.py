"""Patience that knows the cycle: in its middle the accuracy is supposed to stall, so no epoch counts there."""

from app.domain.schedules import Schedule
from app.domain.specs.parts import EarlyStopping


class Patience:
    """Counts epochs without a new best, from the annealing phase on or always."""

    def __init__(self, spec: EarlyStopping | None, schedule: Schedule, *, epochs: int) -> None:
        self.waited = 0
        self._limit = spec.patience if spec else None
        # Policies without a cycle anneal from the start.
        self._armed_from = 0.0 if spec and spec.armed == "always" else schedule.annealing_from
        self._epochs = epochs

    def ends_at(self, epoch: int, *, improved: bool) -> bool:
        """Whether training ends after this epoch, counted from 1."""
        is_armed = epoch / self._epochs > self._armed_from
        self.waited = self.waited + 1 if is_armed and not improved else 0
        return self._limit is not None and self.waited >= self._limit
