"""What a plan sees of its children, and what it answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.lifecycle import JobState
from app.domain.specs import DeviceSpec, PlanSpec, TrainingSpec

COMPUTATION = ("precision", "compile")  #: what a worker settles by measuring, where the spec leaves it open

StepsPerEpoch = Callable[[TrainingSpec], int]


@dataclass(frozen=True, slots=True)
class Child:
    """A job of the plan's, as it is now."""

    key: str  #: its place in the plan, e.g. `one_cycle/3`
    id: str
    state: JobState
    spec: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    seconds: float = 0.0  #: that workers have had it, or its jobs, pauses left out

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state.ended

    @property
    def succeeded(self) -> bool:
        """Whether it has a result."""
        return self.state is JobState.SUCCEEDED


Children = Mapping[str, Child]  #: by key


@dataclass(frozen=True, slots=True)
class NewChild:
    """A job to be made."""

    key: str
    spec: DeviceSpec | PlanSpec
    reuse: bool = False  #: an ended job's result will do, if there is one that ran just this
    settled: Mapping[str, Any] = field(default_factory=dict)  #: what its `resolved` begins with


@dataclass(frozen=True, slots=True)
class Planned:
    """A job that is planned, perhaps several times; one that is there to be checked alone is planned 0 times."""

    spec: DeviceSpec | PlanSpec
    times: int
    searching: int = 0  #: how many of them search their learning rate, where it is open
    place: tuple[str, ...] = ()  #: in the plan's spec, of what is its own
    own: frozenset[str] = frozenset()  #: fields that stand there
    is_at_place: bool = False  #: what is wrong with one of them is wrong with the place itself
    is_derived: bool = False  #: from others, which are checked in its stead


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next: jobs to make, or, where all have ended, the report."""

    new: Sequence[NewChild]
    total: int  #: children that the plan will have, as far as that can be told
    is_over: bool


def at_rate(training: TrainingSpec, rate: float) -> TrainingSpec:
    """The training with this max_lr, so that it searches none."""
    change = {"max_lr": rate, "pick": "best", "search_steps": None}
    return training.model_copy(update={"schedule": training.schedule.model_copy(update=change)})
