"""The states of a job and the legal moves between them."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands. Ended states never change."""

    QUEUED = "queued"  #: accepted, waiting for a worker
    RUNNING = "running"  #: a worker holds the lease
    CANCELLING = "cancelling"  #: its worker was asked to stop
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in ENDED


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
LIVE = frozenset({JobState.RUNNING, JobState.CANCELLING})  #: held under a lease

_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class IllegalMove(Exception):
    """A move the lifecycle does not know; the program is wrong, not the user."""


def check_move(current: JobState, to: JobState) -> None:
    """Raise IllegalMove unless a job may go from `current` to `to`."""
    if to not in _MOVES[current]:
        raise IllegalMove(f"a job that is {current} cannot become {to}")


def after_cancel(current: JobState) -> JobState | None:
    """Where `cancel` takes a job: None when it has ended otherwise and the request is a conflict."""
    return {
        JobState.QUEUED: JobState.CANCELLED,
        JobState.RUNNING: JobState.CANCELLING,
        JobState.CANCELLING: JobState.CANCELLING,
        JobState.CANCELLED: JobState.CANCELLED,
    }.get(current)


def after_loss(current: JobState) -> JobState:
    """Where a job goes whose worker vanished: back into the queue, unless it was to stop anyway."""
    return JobState.CANCELLED if current is JobState.CANCELLING else JobState.QUEUED
