"""Whether one attempt at a time wrote a history, and wrote the same where it repeated another's steps."""

from collections.abc import Iterator
from typing import Any

from benchmarks.fault_harness.recording import HELD, Event, JobRecord

_OF_WORKERS = frozenset({"phase", "steps", "epoch", "checkpoint", "rewind", "artifact"})


def overlapping_writers(job: JobRecord) -> Iterator[str]:
    """Traces of a second writer.

    An event carries the number of the attempt that held the job when it was written, whoever wrote it. So a writer
    from the past shows by what it says: steps that do not join those before, or that were taken before the claim, or
    while nobody held the job.
    """
    writer = _Writer()
    for event in job.events:
        yield from writer.read(event)


class _Writer:
    """Follows a history as if one attempt at a time wrote it."""

    def __init__(self) -> None:
        self._claimed_at = 0.0
        self._is_held = False
        self._next_step: int | None = None

    def read(self, event: Event) -> Iterator[str]:
        """Take the next event; what is wrong with it."""
        if event.state is not None:
            self._take_state(event)
        elif event.type in _OF_WORKERS:
            yield from self._take_word(event)

    def _take_state(self, event: Event) -> None:
        if event.state == "running":
            self._claimed_at, self._next_step = event.time, None
        self._is_held = event.state in HELD

    def _take_word(self, event: Event) -> Iterator[str]:
        if not self._is_held:
            yield f"seq {event.seq} ({event.type}) was written while nobody held the job"
        if event.time < self._claimed_at:
            before = self._claimed_at - event.time
            yield f"seq {event.seq} ({event.type}) happened {before:.3f} s before attempt {event.attempt} began"
        if event.type == "rewind":
            self._next_step = event.data["to_step"]
        if event.steps:
            if self._next_step not in (None, event.steps.start):
                yield f"seq {event.seq} begins at step {event.steps.start}, not {self._next_step}"
            self._next_step = event.steps.stop


def recomputed_differently(job: JobRecord) -> Iterator[str]:
    """Steps that were taken again, by a later attempt, and came to another loss."""
    losses: dict[int, Any] = {}
    for event in job.events:
        if event.type == "rewind":
            losses = {step: loss for step, loss in losses.items() if step < event.data["to_step"]}
        for step, loss in zip(event.steps, event.data["loss"] if event.steps else (), strict=True):
            if losses.setdefault(step, loss) != loss:
                yield f"step {step} came to a loss of {losses[step]}, and again in attempt {event.attempt} to {loss}"
                return
