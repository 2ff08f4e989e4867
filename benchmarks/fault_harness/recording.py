"""What a run leaves behind for the checker: histories, claims, samples of the rows, faults and odd answers."""

from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"succeeded", "failed", "cancelled"})
HELD = frozenset({"running", "pausing", "cancelling"})  #: a worker has the lease


@dataclass(frozen=True)
class Event:
    """One event of a job's history, as the API shows it; `time` is in seconds since 1970."""

    seq: int
    type: str
    time: float
    attempt: int
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str | None:
        """The state that a `state` event brings."""
        return self.data["state"] if self.type == "state" else None

    @property
    def steps(self) -> range:
        """The training steps that a `steps` event tells of; none for any other."""
        if self.type != "steps" or self.data["phase"] != "training":
            return range(0)
        first: int = self.data["first_step"]
        return range(first, first + len(self.data["loss"]))


@dataclass(frozen=True)
class Outcome:
    """What a job left, as its user finds it."""

    has_result: bool = False
    metric_steps: tuple[int, ...] = ()
    files: dict[str, bool] = field(default_factory=dict)  #: of its model: whether the content has the recorded digest


@dataclass(frozen=True)
class JobRecord:
    """One job, with its whole history."""

    id: str
    tag: str  #: unlike any other submission's
    state: str
    steps_needed: int
    events: tuple[Event, ...]
    outcome: Outcome = Outcome()
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Claim:
    """A worker's log line about a job it claimed."""

    job_id: str
    fence: int
    worker: str


@dataclass(frozen=True)
class Sample:
    """A job's row as it was read at one moment."""

    job_id: str
    state: str
    fence: int
    last_seq: int
    worker: str | None
    crashes: int = 0  #: since the last new checkpoint


@dataclass(frozen=True)
class Fault:
    """Something that was broken, and what it did to running jobs."""

    kind: str
    began: float
    hit: dict[str, int]  #: the fences of the jobs that were running there, by job
    ends_attempts: bool  #: whether those attempts cannot go on


@dataclass(frozen=True)
class Garbage:
    """What lies in the storage though no row names it, and in the folders of ended jobs."""

    objects: int = 0
    bytes: int = 0
    folders: int = 0


@dataclass
class Recording:
    """All of one run."""

    acknowledged: dict[str, str] = field(default_factory=dict)  #: the id that was answered, by tag
    cancelled: set[str] = field(default_factory=set)  #: ids whose cancellation was answered with 200
    asked_to_cancel: set[str] = field(default_factory=set)  #: ids whose cancellation was sent, answered or not
    answers: list[str] = field(default_factory=list)  #: answers that no client should get
    stored_without_word: int = 0  #: jobs that were stored though the POST broke off or was answered with 503
    jobs: list[JobRecord] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)  #: those in which a row differs from its last one
    faults: list[Fault] = field(default_factory=list)
    zombies_refused: int = 0
    garbage: Garbage = Garbage()
    skipped: dict[str, str] = field(default_factory=dict)  #: why a kind of fault cannot be made here
    missing: str | None = None  #: what was not ready again, long after the last fault
    seconds: float = 0.0
