"""What a job would take, from its spec and the facts of its data set, without opening it."""

from typing import Any

from pydantic import BaseModel, Field

from app.datasets.service import DatasetFacts
from app.domain.noise_scale import ASSUMED
from app.domain.specs import DatasetImportSpec, RangeTestSpec, TrainingSpec
from app.domain.verification import Budget
from app.jobs.checks import DeviceSpec, training_images


class Estimate(BaseModel):
    """The answer to `validate_only`: the spec with every default filled in, and how much work it is."""

    spec: dict[str, Any]
    dataset_id: str
    batch_size: int | None = Field(
        description=f'That of the steps below; of "auto", which is measured when the job runs, {ASSUMED} or what there '
        "is. An import has none."
    )
    children: int = Field(description="Jobs that would be made beside this one.")
    steps: int = Field(description="Optimizer steps without those of a search; early stopping takes fewer.")
    search_steps: int = Field(description="The most that a search of the learning rate takes besides.")


def estimate(spec: DeviceSpec | DatasetImportSpec, dataset: DatasetFacts) -> Estimate:
    """For a spec that was checked."""
    known: dict[str, Any] = {"spec": spec.model_dump(mode="json"), "dataset_id": dataset.id, "children": 0}
    if isinstance(spec, DatasetImportSpec):
        return Estimate(**known, batch_size=None, steps=0, search_steps=0)
    images = training_images(spec, dataset)
    batch_size = min(ASSUMED, images) if spec.batch_size == "auto" else spec.batch_size
    per_epoch = images // (batch_size * min(spec.accumulation_steps, images // batch_size))
    steps, search = _steps(spec, per_epoch)
    return Estimate(**known, batch_size=batch_size, steps=steps, search_steps=search)


def _steps(spec: DeviceSpec, per_epoch: int) -> tuple[int, int]:
    """Those of the work itself, and the most that a search takes besides."""
    if isinstance(spec, RangeTestSpec):
        return spec.repeats * spec.steps_for(per_epoch), 0
    return spec.epochs * per_epoch, _search_steps(spec, per_epoch)


def _search_steps(spec: TrainingSpec, per_epoch: int) -> int:
    if spec.schedule.max_lr != "auto":
        return 0
    budget = Budget.of(spec.epochs * per_epoch) if spec.schedule.pick == "best" else None
    # A sweep of a range that never diverges is extended, once.
    return budget.total if budget else 2 * spec.range_test().steps_for(per_epoch)
