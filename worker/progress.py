"""How far a job has come, from the engine's events: step, epoch, share, time left."""

import time
from typing import Any

from worker.engine.events import EpochDone, Event, PhaseStarted, Progress, Resized, StepsDone


class ProgressMeter:
    """Follows one phase at a time."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self._steps: int | None = None
        self._first: int | None = None  #: the step at which this phase began
        self._begin(None, steps=None, epochs=None)

    def update(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case PhaseStarted():
                self._begin(event.phase, steps=event.steps, epochs=event.epochs)
            case Resized():
                self._steps = event.steps
            case StepsDone():
                self._reach(event.first_step + len(event.loss), since=event.first_step)
            case Progress():
                self._steps = event.total
                self._reach(event.done, since=0)
            case EpochDone():
                self._epoch = event.epoch

    def as_dict(self) -> dict[str, Any]:
        """The job's `progress`."""
        fraction = min(1.0, self._step / self._steps) if self._steps else 0.0
        known = {"step": self._step, "steps": self._steps, "epoch": self._epoch, "epochs": self._epochs}
        return known | {"fraction": round(fraction, 4), "eta_seconds": self._eta_seconds()}

    def _begin(self, phase: str | None, *, steps: int | None, epochs: int | None) -> None:
        self.phase = phase
        if steps is None and self._first is not None:
            return  # evaluating and exporting come after the steps: the bar stays where those left it
        self._steps, self._epochs = steps, epochs
        self._step = 0
        self._epoch = 0
        self._first = None
        self._began = time.monotonic()

    def _reach(self, step: int, *, since: int) -> None:
        if self._first is None:
            self._first = since  # a resumed training does not begin at 0
        self._step = step

    def _eta_seconds(self) -> float | None:
        if not self._steps or self._first is None or self._step <= self._first:
            return None
        per_step = (time.monotonic() - self._began) / (self._step - self._first)
        return round(per_step * max(0, self._steps - self._step), 1)
