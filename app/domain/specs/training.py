"""A training under a learning-rate policy, with the largest rate given or picked by a range test."""

import math
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from app.domain.presets import PRESETS, PresetName, filled
from app.domain.specs.fields import Epochs, OpenShare, PositiveShare, at_odds
from app.domain.specs.leaf import LeafSpec
from app.domain.specs.parts import EarlyStopping, FreezeField
from app.domain.specs.policies import OneCycle, Policy
from app.domain.specs.range_test import RangeTestSpec


def _asks_for_less_with_a_preset(schema: dict[str, Any]) -> None:
    """A preset names data set and architecture, which are needed without one."""
    schema["required"] = ["kind"]
    schema["anyOf"] = [{"required": ["dataset", "architecture"]}, {"required": ["preset"]}]


def _unknown_preset(name: object) -> ValidationError:
    """The field's own error, and it alone: without the preset, all that it would have filled in is missing too."""
    expected = " or ".join(map(repr, PRESETS))
    entry = InitErrorDetails(type="literal_error", loc=("preset",), input=name, ctx={"expected": expected})
    return ValidationError.from_exception_data("TrainingSpec", [entry])


class TrainingOptions(LeafSpec):
    """What a training says beside its schedule, so that a comparison of schedules can say it for all of them."""

    epochs: Epochs = Field(10, description="Passes over the training images.")
    early_stopping: EarlyStopping | None = Field(None, description="When to stop before the end; left out: never.")
    freeze: FreezeField | None = Field(
        None, description="Train only the head for so many epochs, then everything; needs pretrained weights."
    )
    ema: OpenShare | None = Field(
        None,
        description="Decay of a running average of the weights; evaluation, best epoch and model are the average's.",
    )
    test_time_flip: StrictBool = Field(
        False,
        description="Evaluate each image and its mirror, and average their logits; not for signs, such as digits.",
    )
    batch_norm_momentum: Literal["auto"] | PositiveShare | None = Field(
        None,
        description="Weight of a new batch in the running batch-norm statistics; left out, the network's own, mostly "
        '0.1. "auto" follows several in one training, evaluates with the one that suits its length, and ends with the '
        "one that comes closest to exact statistics.",
    )
    exact_batch_norm: StrictBool = Field(
        False,
        description="At the end, compute the batch-norm statistics of the best weights anew over up to 8,192 training "
        "images, and evaluate them again.",
    )
    evaluate_test: StrictBool = Field(
        True,
        description="Look at the test split, once, at the end; false keeps it for later, and the confusion matrix is "
        "of the validation images.",
    )

    @model_validator(mode="after")
    def _unfreezes_something(self) -> Self:
        if self.freeze is not None and not self.pretrained:
            raise at_odds("freeze", "a body with fresh weights has nothing worth freezing; set pretrained to true")
        if self.freeze is not None and self.freeze.epochs >= (self.epochs or math.inf):  # an automatic run has none
            raise at_odds(
                "freeze", f"of {self.epochs} epochs, {self.freeze.epochs} frozen ones leave none for the body"
            )
        return self


class TrainingSpec(TrainingOptions):
    """`{"kind": "training", "dataset": "digits", "architecture": "resnet9"}` is enough."""

    model_config = ConfigDict(json_schema_extra=_asks_for_less_with_a_preset)

    kind: Literal["training"] = Field(description="Says that this is a training.")
    preset: PresetName | None = Field(
        None, description="Fill every field from this named spec; what is given beside it wins, field by field."
    )
    schedule: Policy = Field(OneCycle(), description="The learning rate over the optimizer steps.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:  # noqa: ANN401
        name = data.get("preset") if isinstance(data, dict) else None
        if name is None:
            return data
        if not isinstance(name, str) or name not in PRESETS:
            raise _unknown_preset(name)
        return filled(name, data)

    @model_validator(mode="after")
    def _cycles_a_beta1_there_is(self) -> Self:
        if self.schedule.policy == "one_cycle" and self.schedule.cycle_beta1 and self.optimizer.name == "sgd":
            raise at_odds("schedule", "cycle_beta1 is for adam and adamw; sgd's momentum is cycled by the shape itself")
        return self

    @property
    def cycles_momentum(self) -> bool:
        """Whether the optimizer follows the schedule's momentum: SGD does, Adam's beta1 only if asked to."""
        asked = self.schedule.policy == "one_cycle" and self.schedule.cycle_beta1
        return self.optimizer.name == "sgd" or asked

    def range_test(self, *, steps: int | None = None, held_out: int | None = None) -> RangeTestSpec:
        """The sweep that looks for max_lr for this training: the same work, on the same data.

        One of so many `steps` is there to find the region for short cycles, and leaves out the smallest rates.
        """
        shared = {name: getattr(self, name) for name in LeafSpec.model_fields} | {"held_out": held_out}
        whole = RangeTestSpec(kind="range_test", **shared)
        if steps is None:
            return whole
        start, end = whole.bounds
        return RangeTestSpec(kind="range_test", **shared, steps=steps, start_lr=100 * start, end_lr=end)


def as_training(spec: TrainingOptions, **changes: Any) -> TrainingSpec:  # noqa: ANN401
    """The training that another kind of spec, which has a schedule too, is about; raises ValidationError."""
    data = spec.model_dump(mode="json", include=set(TrainingSpec.model_fields) - {"kind", "preset"})
    return TrainingSpec.model_validate({**data, "kind": "training", **changes})
