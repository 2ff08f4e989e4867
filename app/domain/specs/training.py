"""A training under a learning-rate policy, with the largest rate given or picked by a range test."""

from typing import Literal

from app.domain.specs.fields import Epochs
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.parts import EarlyStopping
from app.domain.specs.policies import OneCycle, Policy
from app.domain.specs.range_test import RangeTestSpec


class TrainingSpec(LeafSpec):
    """`{"kind": "training", "dataset": "digits", "architecture": "resnet9"}` is enough."""

    kind: Literal["training"]
    epochs: Epochs = 10
    schedule: Policy = OneCycle()
    early_stopping: EarlyStopping | None = None

    def range_test(self) -> RangeTestSpec:
        """The sweep that picks max_lr for this training: the same work, on the same data."""
        shared = {name: getattr(self, name) for name in LeafSpec.model_fields}
        return RangeTestSpec(kind="range_test", **shared)
