"""What a job would take, from its spec and the facts of its data set, without opening it."""

from typing import Any

from pydantic import BaseModel, Field

from app.datasets.service import DatasetFacts
from app.domain.specs import DatasetImportSpec, RangeTestSpec, TrainingSpec
from app.domain.verification import Budget
from app.jobs.checks import DeviceSpec, training_images


class Estimate(BaseModel):
    """The answer to `validate_only`: the spec with every default filled in, and how much work it is."""

    spec: dict[str, Any]
    dataset_id: str
    children: int = Field(description="Jobs that would be made beside this one.")
    steps: int = Field(description="Optimizer steps without those of a search; early stopping takes fewer.")
    search_steps: int = Field(description="The most that a search of the learning rate takes besides.")


def estimate(spec: DeviceSpec | DatasetImportSpec, dataset: DatasetFacts) -> Estimate:
    """For a spec that was checked."""
    steps, search = (0, 0) if isinstance(spec, DatasetImportSpec) else _steps(spec, dataset)
    known = spec.model_dump(mode="json")
    return Estimate(spec=known, dataset_id=dataset.id, children=0, steps=steps, search_steps=search)


def _steps(spec: DeviceSpec, dataset: DatasetFacts) -> tuple[int, int]:
    """Those of the work itself, and the most that a search takes besides."""
    per_epoch = training_images(spec, dataset) // (spec.batch_size * spec.accumulation_steps)
    if isinstance(spec, RangeTestSpec):
        return spec.repeats * spec.steps_for(per_epoch), 0
    return spec.epochs * per_epoch, _search_steps(spec, per_epoch)


def _search_steps(spec: TrainingSpec, per_epoch: int) -> int:
    if spec.schedule.max_lr != "auto":
        return 0
    budget = Budget.of(spec.epochs * per_epoch) if spec.schedule.pick == "best" else None
    # A sweep of a range that never diverges is extended, once.
    return budget.total if budget else 2 * spec.range_test().steps_for(per_epoch)
