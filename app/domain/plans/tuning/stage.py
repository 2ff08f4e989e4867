"""What a stage of a tuning is, and how short trainings are compared."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from app.domain.plans.family import Child, Children, NewChild, Planned
from app.domain.specs.range_test import RangeTestSpec
from app.domain.specs.training import TrainingSpec
from app.domain.specs.tuning import changed

AS_GOOD = 0.02  #: losses that differ by less than this share are as good as each other


@dataclass(frozen=True, slots=True)
class Tried:
    """One value, and what a job has said of it."""

    value: Any
    job_id: str
    loss: float | None  #: on validation images, at the end of a short training; None of one that failed
    accuracy: float | None = None
    seconds: float = 0.0

    @property
    def score(self) -> float:
        """The loss, larger than any where there is none."""
        return math.inf if self.loss is None else self.loss


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stage has come to: values by their place in the training, and why."""

    stage: str
    values: Mapping[str, Any]
    reason: str
    evidence: Sequence[Mapping[str, Any]] = field(default_factory=list)
    is_cut_short: bool = False  #: by a budget that did not suffice

    def cut_short(self) -> "Decision":
        """The same, with what it is that has kept jobs from being made."""
        told = f"The budget did not suffice to try {'all of this' if self.evidence else 'this'}. {self.reason}"
        return replace(self, reason=told, is_cut_short=True)


class Stage(Protocol):
    """One thing that is tuned; `training` has what the stages before it have decided."""

    name: str

    def planned(self, training: TrainingSpec) -> Sequence[Planned]:
        """The most that it may make, each as long as it may be."""

    def wanted(self, training: TrainingSpec, children: Children) -> Sequence[NewChild]:
        """All its jobs that can be told by now, those that are there already as well."""

    def decide(self, training: TrainingSpec, children: Children) -> Decision:
        """From what has ended; jobs may be missing where the budget did not suffice."""


def have_ended(wanted: Iterable[NewChild], children: Children) -> bool:
    """Whether all of these are there, and over."""
    return all(one.key in children and children[one.key].ended for one in wanted)


def sweep(training: TrainingSpec, values: Mapping[str, Any], *, held_out: int | None = None) -> RangeTestSpec:
    """The range test of the training with these values, read off the held-out loss every so many steps if asked."""
    return changed(training, values).range_test(held_out=held_out)


def tried(children: Children, keys: Mapping[Any, str]) -> list[Tried]:
    """What the short trainings of some values have come to, those that have ended."""
    return [_tried(value, children[key]) for value, key in keys.items() if key in children and children[key].ended]


def _tried(value: Any, child: Child) -> Tried:  # noqa: ANN401
    if child.result is None:
        return Tried(value, child.id, None, seconds=child.seconds)
    last = child.result["last"]
    return Tried(value, child.id, last["validation_loss"], last["validation_accuracy"], child.result["seconds"])


def as_good_as_best(found: Sequence[Tried], *, within: float = AS_GOOD) -> list[Tried]:
    """Those whose loss is within such a share of the smallest; none where none has a loss."""
    best = min((one.score for one in found), default=math.inf)
    return [one for one in found if math.isfinite(best) and one.score <= best * (1 + within)]


def told(found: Sequence[Tried]) -> str:
    """Losses by value, in words."""
    return ", ".join(f"{value_text(one.value)}: {loss_text(one)}" for one in found)


def value_text(value: Any) -> str:  # noqa: ANN401
    """A value as people read it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {value_text(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def loss_text(one: Tried) -> str:
    """A loss as people read it."""
    return "failed" if one.loss is None else f"{one.loss:.3g}"


def rows(found: Sequence[Tried]) -> Iterator[dict[str, Any]]:
    """As evidence."""
    for one in found:
        yield {"value": one.value, "job_id": one.job_id, "validation_loss": one.loss,
               "validation_accuracy": one.accuracy, "seconds": one.seconds}  # fmt: skip
