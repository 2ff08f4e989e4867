"""The states of a job, the legal moves between them, and what a user may ask of a job in each."""

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands. Ended states never change."""

    QUEUED = "queued"  #: accepted, waiting for a worker
    RUNNING = "running"  #: a worker holds the lease
    PAUSING = "pausing"  #: its worker was asked to save a checkpoint and stop
    PAUSED = "paused"  #: put aside; `resume` queues it again
    CANCELLING = "cancelling"  #: its worker was asked to stop
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in ENDED


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
LIVE = frozenset({JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING})  #: held under a lease

_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {
            JobState.QUEUED,
            JobState.PAUSING,
            JobState.CANCELLING,
            JobState.SUCCEEDED,
            JobState.FAILED,
            JobState.CANCELLED,
        }
    ),
    # A training may reach its end, good or bad, before it hears that it was to be paused.
    JobState.PAUSING: frozenset({JobState.PAUSED, JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED}),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class Verb(StrEnum):
    """What a user may ask of a job."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"


_ANSWERS: dict[Verb, dict[JobState, JobState]] = {
    Verb.CANCEL: {
        JobState.QUEUED: JobState.CANCELLED,
        JobState.PAUSED: JobState.CANCELLED,
        JobState.RUNNING: JobState.CANCELLING,
        JobState.PAUSING: JobState.CANCELLING,
        JobState.CANCELLING: JobState.CANCELLING,
        JobState.CANCELLED: JobState.CANCELLED,
    },
    Verb.PAUSE: {
        JobState.QUEUED: JobState.PAUSED,
        JobState.RUNNING: JobState.PAUSING,
        JobState.PAUSING: JobState.PAUSING,
        JobState.PAUSED: JobState.PAUSED,
    },
    Verb.RESUME: {JobState.PAUSED: JobState.QUEUED},
}


class IllegalMove(Exception):
    """A move the lifecycle does not know; the program is wrong, not the user."""


def check_move(current: JobState, to: JobState) -> None:
    """Raise IllegalMove unless a job may go from `current` to `to`."""
    if to not in _MOVES[current]:
        raise IllegalMove(f"a job that is {current} cannot become {to}")


def after_verb(verb: Verb, current: JobState) -> JobState | None:
    """Where a verb takes a job, perhaps nowhere else; None where the request is a conflict."""
    return _ANSWERS[verb].get(current)


def after_loss(current: JobState) -> JobState:
    """Where a job goes whose worker stopped or vanished: back into the queue, unless it was to stop anyway."""
    return {JobState.CANCELLING: JobState.CANCELLED, JobState.PAUSING: JobState.PAUSED}.get(current, JobState.QUEUED)
