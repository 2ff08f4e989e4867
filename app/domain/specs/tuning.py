"""Tuning: which values of a training's fields are good, found by sweeps and short trainings within a budget."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, ValidationError, model_validator

from app.domain.merging import merged
from app.domain.specs.fields import NO_NUL, BudgetSeconds, Epochs, Number, Part, at_odds, whole_number
from app.domain.specs.policies import OneCycle, Policy
from app.domain.specs.training import TrainingOptions, TrainingSpec, as_training

TUNING = "tuning"
Tuned = Literal["batch_size", "weight_decay", "momentum", "batch_norm_momentum"]
EVERYTHING: tuple[Tuned, ...] = ("batch_size", "weight_decay", "momentum", "batch_norm_momentum")
FieldPath = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL)]
CHOOSES_ON_VALIDATION = "choices would be made on the test split; give a share of the training images, e.g. 0.1"
#: What a search may not touch: whose data it is, what is kept from training, and what would change what is measured.
FIXED = ("kind", "preset", "dataset", "validation", "evaluate_test", "seed", "epochs", "devices")


class Interval(Part):
    """Numbers from `low` to `high`."""

    low: Number = Field(description="The smallest.")
    high: Number = Field(description="The largest.")
    log: StrictBool = Field(False, description="Spread over decades instead of evenly.")
    whole: StrictBool = Field(False, description="Whole numbers alone.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.low >= self.high:
            raise at_odds("low", f"low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise at_odds("low", f"decades begin above 0, not at {self.low:g}")
        if self.whole and (self.low % 1 or self.high % 1):
            raise at_odds("whole", "low and high are no whole numbers")
        return self


class Choices(Part):
    """One of these values."""

    choices: Annotated[tuple[Any, ...], Field(min_length=2, max_length=50)] = Field(description="The values, as JSON.")

    @model_validator(mode="after")
    def _are_plain(self) -> Self:
        if any(value is not None and not isinstance(value, bool | int | float | str) for value in self.choices):
            raise at_odds("choices", "only numbers, texts, true, false and null can be chosen among")
        return self


class Search(Part):
    """A search over any fields of the training: Optuna's TPE sampler proposes, short trainings answer."""

    fields: Annotated[dict[FieldPath, Interval | Choices], Field(min_length=1, max_length=20)] = Field(
        description="By their place in the training, e.g. `optimizer.weight_decay`: an interval or choices."
    )
    trials: Annotated[int, Field(ge=2, le=500), BeforeValidator(whole_number)] = Field(
        20,
        description="Short trainings in all. The first has the values that the training has, where each is within its "
        "space, and they stay unless another ends better.",
    )
    parallel: Annotated[int, Field(ge=1, le=64), BeforeValidator(whole_number)] = Field(
        2, description="Short trainings that are under way at once; the more, the less each knows of the others."
    )


class TuningSpec(TrainingOptions):
    """What to train with? `{"kind": "tuning", "dataset": "digits", "architecture": "resnet9"}`.

    The fields are those of the training that is tuned; its learning rate stays for it to pick. Every choice is made on
    validation images.
    """

    kind: Literal["tuning"] = Field(description="Says that this looks for good values.")
    schedule: Policy = Field(
        OneCycle(), description="The learning rate over the optimizer steps; its `max_lr` stays open."
    )
    tune: Annotated[tuple[Tuned, ...], Field(max_length=4)] = Field(
        EVERYTHING,
        description="What to look for by the procedures of the service, in this order.",
    )
    trial_epochs: Epochs | None = Field(
        None, description="Length of a short training; by default a fifth of `epochs`, but at least one."
    )
    search: Search | None = Field(None, description="A search over further fields, after those; left out: none.")
    budget_seconds: BudgetSeconds | None = Field(
        None,
        description="What its jobs may take of workers' time together, pauses left out. The first of each wave runs "
        "alone and tells how many of the others fit into what is left; one job at a time may exceed it.",
    )
    reuse: StrictBool | None = Field(
        None,
        description="Take over what ended jobs on the same spec, data and code have found: true for all jobs, false "
        "for none, by default for range tests.",
    )

    @model_validator(mode="after")
    def _has_something_to_tune(self) -> Self:
        if not self.tune and self.search is None:
            raise at_odds("tune", "there is nothing to tune; name something, or give search")
        if len(set(self.tune)) < len(self.tune):
            raise at_odds("tune", "a name stands there twice")
        if self.trial_epochs is not None and self.trial_epochs > self.epochs:
            told = f"a short training of {self.trial_epochs} epochs is longer than one of {self.epochs}"
            raise at_odds("trial_epochs", told)
        if self.validation == "test":
            raise at_odds("validation", CHOOSES_ON_VALIDATION)
        if self.batch_size == "auto":
            raise at_odds("batch_size", "give a number to begin with; batch_size in tune looks around it")
        if self.schedule.max_lr != "auto":
            told = f"values are compared each at a rate that suits it, not all at {self.schedule.max_lr:g}"
            raise at_odds("schedule", f"{told}; leave max_lr open; a tuning picks it")
        self._check_search()
        return self

    def _check_search(self) -> None:
        """Samples of every field must make a short training; raises ValidationError with the place in `search`."""
        training = as_training(self)
        for path, space in (self.search.fields if self.search else {}).items():
            if path.partition(".")[0] in FIXED:
                raise at_odds("search", f"{path.partition('.')[0]} must not change from trial to trial")
            for value in samples_of(space):
                try:
                    short(training, self.short_epochs, {path: value})
                except ValidationError as error:
                    told = error.errors()[0]["msg"]
                    raise at_odds("search", f"{path} = {value!r} makes no training: {told}") from None

    @property
    def short_epochs(self) -> int:
        """Epochs of a short training."""
        return self.trial_epochs or max(1, round(self.epochs / 5))


def samples_of(space: Interval | Choices) -> tuple[Any, ...]:
    """Values of every form that a space has: its ends and one between them, or all of them."""
    if isinstance(space, Choices):
        return space.choices
    if space.whole:
        return tuple(sorted({int(space.low), int(space.low) + 1, int(space.high)}))
    return space.low, space.low + (space.high - space.low) / math.pi, space.high


def changed(training: TrainingSpec, values: Mapping[str, Any]) -> TrainingSpec:
    """The training with these values in their places, null being a field's default; raises ValidationError.

    Whatever replaces a whole object goes first, so that it cannot replace a field that is given beside it.
    """
    data = training.model_dump(mode="json")
    for path in sorted(values, key=lambda path: (path.count("."), path.rpartition(".")[2] not in ("name", "policy"))):
        data = merged(data, _nested(path, values[path]))
    return TrainingSpec.model_validate(data)


def short(training: TrainingSpec, epochs: int, values: Mapping[str, Any]) -> TrainingSpec:
    """A short training of the same form, for comparing values; nothing stops it early, and no test image is seen."""
    frozen = training.freeze
    without = {"early_stopping": None, "freeze": None if frozen and frozen.epochs >= epochs else frozen}
    return changed(training.model_copy(update={"epochs": epochs, "evaluate_test": False, **without}), values)


def _nested(path: str, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """`optimizer.momentum` and a value as an object in an object."""
    name, _, rest = path.partition(".")
    return {name: _nested(rest, value) if rest else value}
