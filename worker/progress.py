"""How far a job has come, from the engine's events: step, epoch, share, time left, speed and memory."""

import time
from typing import Any

from worker.engine.events import EpochDone, Event, PhaseStarted, Progress, Resized, StepsDone


class ProgressMeter:
    """Follows one phase at a time."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self._steps: int | None = None
        self._first: int | None = None  #: the step at which this phase began
        self._memory_bytes: int | None = None
        self._begin(None, steps=None, epochs=None)

    def update(self, event: Event, *, memory_bytes: int | None = None) -> None:
        """Take note of an event, and of the most memory the training had held by then."""
        self._memory_bytes = memory_bytes or self._memory_bytes
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
        rate = self._steps_per_second()
        left = round(max(0, self._steps - self._step) / rate, 1) if self._steps and rate else None
        figures = {"steps_per_second": _three_digits(rate), "memory_bytes": self._memory_bytes}
        return known | {"fraction": round(fraction, 4), "eta_seconds": left} | figures

    def _begin(self, phase: str | None, *, steps: int | None, epochs: int | None) -> None:
        self.phase = phase
        if steps is None and self._first is not None:
            return  # evaluating and exporting come after the steps: the bar stays where those left it
        self._steps, self._epochs = steps, epochs
        self._step = 0
        self._epoch = 0
        self._first = None
        self._began = self._reached = time.monotonic()

    def _reach(self, step: int, *, since: int) -> None:
        if self._first is None:
            self._first = since  # a resumed training does not begin at 0
        self._step = step
        self._reached = time.monotonic()

    def _steps_per_second(self) -> float | None:
        """On average over the phase, the evaluations between its steps included."""
        seconds = self._reached - self._began
        if self._first is None or self._step <= self._first or seconds <= 0:
            return None
        return (self._step - self._first) / seconds


def _three_digits(rate: float | None) -> float | None:
    return None if rate is None else float(f"{rate:.3g}")
