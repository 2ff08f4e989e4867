"""The kinds of plan there are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from app.domain.plans.auto import AutoPlan
from app.domain.plans.comparison import ComparisonPlan
from app.domain.plans.family import Children, Planned, Step, StepsPerEpoch
from app.domain.plans.tuning.plan import TuningPlan
from app.domain.plans.tuning.searching import Propose
from app.domain.specs import PlanSpec
from app.domain.specs.auto import AUTO
from app.domain.specs.comparison import COMPARISON
from app.domain.specs.tuning import TUNING


class Plan(Protocol):
    """One plan."""

    def settle(self, steps_per_epoch: StepsPerEpoch) -> dict[str, dict[str, Any]]:
        """What is settled once, when it is submitted: value, origin and reason by name."""

    def planned(self, resolved: Mapping[str, Any]) -> Sequence[Planned]:
        """The most that it may make, and no shorter than it may be: checked and counted before anything is queued."""

    def advance(self, resolved: Mapping[str, Any], children: Children, propose: Propose) -> Step:
        """What is to be done next; `propose` finds further points of a search."""

    def has_outcome(self, children: Children) -> bool:
        """Whether there is something to report, once all have ended."""


PLANS: dict[str, Callable[[Any], Plan]] = {COMPARISON: ComparisonPlan, TUNING: TuningPlan, AUTO: AutoPlan}


def plan_of(spec: PlanSpec) -> Plan:
    """The plan that a spec describes."""
    return PLANS[spec.kind](spec)
