"""Weight decay that a spec leaves open, for one learning rate or another."""

from typing import TypeVar

from app.domain.specs.range_test import RangeTestSpec
from app.domain.specs.training import TrainingSpec
from app.domain.verification import USUAL
from app.domain.weight_decay import Prior, weight_decay_prior
from worker.engine.workload import Workload

Spec = TypeVar("Spec", RangeTestSpec, TrainingSpec)


def open_decay(workload: Workload, spec: RangeTestSpec | TrainingSpec, *, max_lr: float | None = None) -> Prior | None:
    """The decay for this largest rate, or for the optimizer's usual one; None where the spec gives a number.

    A range test stands in for a training that its spec does not know: for one with the default epochs and schedule.
    """
    if spec.optimizer.weight_decay != "auto":
        return None
    fields = TrainingSpec.model_fields
    schedule, epochs = (
        (spec.schedule, spec.epochs)
        if isinstance(spec, TrainingSpec)
        else (fields["schedule"].default, fields["epochs"].default)
    )
    return weight_decay_prior(
        spec.optimizer,
        schedule,
        max_lr=max_lr or USUAL[spec.optimizer.name],
        epochs=epochs,
        steps_per_epoch=workload.steps_per_epoch,
        has_batch_norm=workload.has_batch_norm,
    )


def with_decay(workload: Workload, spec: Spec, *, max_lr: float | None = None) -> Spec:
    """The same spec with that decay as a number."""
    prior = open_decay(workload, spec, max_lr=max_lr)
    if prior is None:
        return spec
    return spec.model_copy(update={"optimizer": spec.optimizer.model_copy(update={"weight_decay": prior.weight_decay})})
