"""What a job would take, from its spec and the facts of its data set, without opening it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field

from app.datasets.service import DatasetFacts
from app.domain.noise_scale import ASSUMED
from app.domain.plans import plan_of
from app.domain.specs import AnySpec, DatasetImportSpec, DeviceSpec, PlanSpec, RangeTestSpec, TrainingSpec
from app.domain.verification import Budget
from app.jobs.checks import assumed_batch_size, steps_per_epoch, steps_per_epoch_on

_WHY = "If every one of them runs to its end: {count}."


class Estimate(BaseModel):
    """The answer to `validate_only`: the spec with every default filled in, and how much work it is."""

    spec: dict[str, Any]
    dataset_id: str
    batch_size: int | None = Field(
        description=f'That of the steps below; of "auto", which is measured when the job runs, {ASSUMED} or what there '
        "is. An import has none, nor has a plan."
    )
    children: int = Field(description="Jobs that would be made beside this one.")
    steps: int = Field(
        description="Optimizer steps without those of searches; early stopping takes fewer. Of a plan, the most there "
        "may be."
    )
    search_steps: int = Field(description="The most that searches of the learning rate take besides.")


@dataclass(frozen=True, slots=True)
class Cost:
    """Jobs beside the one submitted, optimizer steps, and the most that searches take besides."""

    children: int
    steps: int
    search_steps: int

    def resolved(self) -> dict[str, dict[str, Any]]:
        """As a plan carries it from the beginning."""
        steps = {"steps": self.steps, "search_steps": self.search_steps}
        told = f"at most {self.children} jobs, {self.steps:,} optimizer steps, and {self.search_steps:,} more to search"
        return {
            name: {"value": value, "origin": "estimate", "reason": _WHY.format(count=told)}
            for name, value in (("children", self.children), ("cost", steps))
        }


def estimate(spec: AnySpec, dataset: DatasetFacts) -> Estimate:
    """For a spec that was checked."""
    cost = _cost(spec, dataset)
    size = None if isinstance(spec, DatasetImportSpec | PlanSpec) else assumed_batch_size(spec, dataset)
    known: dict[str, Any] = {"spec": spec.model_dump(mode="json"), "dataset_id": dataset.id, "batch_size": size}
    return Estimate(**known, children=cost.children, steps=cost.steps, search_steps=cost.search_steps)


def _cost(spec: AnySpec, dataset: DatasetFacts) -> Cost:
    if isinstance(spec, DatasetImportSpec):
        return Cost(0, 0, 0)
    if isinstance(spec, PlanSpec):
        return count_plan(spec, dataset, plan_of(spec).settle(steps_per_epoch_on(dataset)))
    return Cost(0, *_steps(spec, steps_per_epoch(spec, dataset)))


def settled(spec: AnySpec, dataset: DatasetFacts) -> dict[str, Any]:
    """Of a plan, what is known of it before it begins."""
    if not isinstance(spec, PlanSpec):
        return {}
    known = plan_of(spec).settle(steps_per_epoch_on(dataset))
    return known | count_plan(spec, dataset, known).resolved()


def count_plan(spec: PlanSpec, dataset: DatasetFacts, settled: Mapping[str, Any]) -> Cost:
    """The most that a plan may have run; it is less where fewer values are worth a try, or a budget ends it."""
    planned = plan_of(spec).planned(settled)
    costs = [(one, _cost(one.spec, dataset)) for one in planned if one.times]
    return Cost(
        sum(one.times * (1 + cost.children) for one, cost in costs),
        sum(one.times * cost.steps for one, cost in costs),
        sum(one.searching * cost.search_steps for one, cost in costs),
    )


def _steps(spec: DeviceSpec, per_epoch: int) -> tuple[int, int]:
    """Those of the work itself, and the most that a search takes besides."""
    if isinstance(spec, RangeTestSpec):
        return spec.repeats * spec.steps_for(per_epoch), 0
    return spec.epochs * per_epoch, _search_steps(spec, per_epoch)


def _search_steps(spec: TrainingSpec, per_epoch: int) -> int:
    if spec.schedule.max_lr != "auto":
        return 0
    schedule = spec.schedule
    budget = Budget.of(spec.epochs * per_epoch, most=schedule.search_steps) if schedule.pick == "best" else None
    # A sweep of a range that never diverges is extended, once.
    return budget.total if budget else 2 * spec.range_test().steps_for(per_epoch)
