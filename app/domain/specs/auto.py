"""From a data set to a trained model in one call: tune within a budget, train, and compare where that is asked for."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from app.domain.specs.comparison import ComparisonSpec
from app.domain.specs.fields import Epochs, at_odds, json_number
from app.domain.specs.parts import Architecture, ArchitectureField
from app.domain.specs.policies import OneCycle, Policy
from app.domain.specs.training import TrainingOptions, TrainingSpec, as_training
from app.domain.specs.tuning import CHOOSES_ON_VALIDATION, EVERYTHING, Tuned, TuningSpec

AUTO = "auto"
TUNING_SHARE = 0.4  #: of the budget
USUAL_EPOCHS = 10  #: where nothing tells how many fit
COMPARED_TIMES = 4  #: the epochs of a comparison's baseline over those of the training
COMPARED_SEEDS = 3
MOST_EPOCHS = 10_000  #: that a training may have
#: Where what is tuned can be given.
PLACES: dict[Tuned, tuple[tuple[str, ...], ...]] = {
    "batch_size": (("batch_size",),),
    "weight_decay": (("optimizer", "weight_decay"),),
    "momentum": (("optimizer", "momentum"), ("schedule", "max_momentum"), ("schedule", "min_momentum")),
    "batch_norm_momentum": (("batch_norm_momentum",),),
}


class AutoSpec(TrainingOptions):
    """`{"kind": "auto", "dataset": "digits"}`. What is given is kept, what is left out is looked for.

    What `tune` names is looked for all the same, beginning from what is given. Every choice is made on validation
    images; the test split is opened once, at the end of the training, and by the trainings of a comparison at theirs.
    """

    kind: Literal["auto"] = Field(description="Says that the service makes the choices.")
    architecture: ArchitectureField = Field(
        Architecture(name="resnet9", width=16),
        description="The network: a name of `GET /v1/architectures`, or an object.",
    )
    budget_seconds: Annotated[float, Field(ge=25, le=1e9), BeforeValidator(json_number)] = Field(
        600.0,
        description="What tuning and training may take of workers' time together, about: two fifths are for tuning, "
        "and the training gets as many epochs as fit the rest. An epoch that is longer is run all the same.",
    )
    epochs: Epochs | None = Field(  # type: ignore[assignment]
        None,
        description="Passes over the training images; left out, as many as fit the budget, from 2 to 200, and at least "
        "one more than `freeze` takes.",
    )
    schedule: Policy = Field(
        OneCycle(),
        description="The learning rate over the optimizer steps; its `max_lr` can be given where nothing is tuned.",
    )
    tune: Annotated[tuple[Tuned, ...], Field(max_length=4)] = Field(
        EVERYTHING,
        description="What is tuned, beginning from what is given; left out, all of these that are given no number. The "
        "momentum's may be the optimizer's, or the schedule's largest or smallest. With an empty list nothing is "
        "tuned, and where `epochs` is open an epoch is timed first.",
    )
    compare: StrictBool = Field(
        False,
        description="Compare the training, which must be one cycle, with a baseline over four times its epochs, and "
        "controls; that comes on top of the budget.",
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_what_is_given(cls, data: Any) -> Any:  # noqa: ANN401
        """Said in `tune` from the start: in a row every field has a value, and none shows who gave it."""
        if not isinstance(data, dict) or "tune" in data:
            return data
        return data | {"tune": [one for one in EVERYTHING if not any(_is_given(data, at) for at in PLACES[one])]}

    @model_validator(mode="after")
    def _can_be_done(self) -> Self:
        """What it will be made of must be sound before any of it is queued; raises ValidationError."""
        if fewest_epochs(self) > MOST_EPOCHS:
            raise at_odds("freeze", f"a training has at most {MOST_EPOCHS:,} epochs, which leaves none for the body")
        training = as_training(self, epochs=usual_epochs(self))
        if self.validation == "test":
            raise at_odds("validation", CHOOSES_ON_VALIDATION)
        if self.tune:
            tuning_of(self)
        if self.compare:
            self._check_comparison(training)
        return self

    def _check_comparison(self, training: TrainingSpec) -> None:
        """Its goal is about one cycle, so that it would call any training by that name; raises ValidationError."""
        if self.schedule.policy != "one_cycle":
            told = f"a comparison has the training as its one cycle, not under {self.schedule.policy}"
            raise at_odds("schedule", f"{told}; leave out compare, or take policy one_cycle")
        if training.epochs * COMPARED_TIMES > MOST_EPOCHS:
            told = f"a baseline over {COMPARED_TIMES} times as many epochs would take more than {MOST_EPOCHS:,}"
            raise at_odds("epochs" if self.epochs else "freeze", told)
        comparison_of(training)


def _is_given(data: Any, place: tuple[str, ...]) -> bool:  # noqa: ANN401 - as it was submitted
    """Whether a value stands there: neither nothing nor "auto", which leaves it open."""
    for name in place:
        data = data.get(name) if isinstance(data, dict) else None
    return data is not None and data != "auto"


def fewest_epochs(spec: AutoSpec) -> int:
    """That its training can have: after those that train the head alone, one for the body."""
    return spec.freeze.epochs + 1 if spec.freeze else 1


def usual_epochs(spec: AutoSpec) -> int:
    """Those that were given; as long as they are open, what is checked, tuned for and scaled from."""
    return spec.epochs or max(USUAL_EPOCHS, fewest_epochs(spec))


def tuning_of(spec: AutoSpec) -> TuningSpec:
    """The tuning that it begins with."""
    shared = spec.model_dump(mode="json", include=set(TrainingOptions.model_fields) | {"schedule", "tune"})
    budget = {"trial_epochs": 1, "budget_seconds": TUNING_SHARE * spec.budget_seconds}
    own = {"kind": "tuning", "epochs": usual_epochs(spec)}
    return TuningSpec.model_validate({**shared, **budget, **own})


def comparison_of(training: TrainingSpec) -> ComparisonSpec:
    """The training as the one cycle, beside a baseline over so many times its epochs.

    Its search for max_lr takes as many steps as it was given, and so do those of the other arms.
    """
    shared = training.model_dump(mode="json", include=set(TrainingOptions.model_fields) - {"epochs"})
    cycle = training.schedule.model_dump(mode="json", exclude_none=True, exclude={"search_steps"})
    length = {"epochs": COMPARED_TIMES * training.epochs, "search_steps": training.schedule.search_steps}
    own = {"kind": "comparison", "seeds": COMPARED_SEEDS, "arms": {"one_cycle": {"schedule": cycle}}}
    return ComparisonSpec.model_validate({**shared, **length, **own})
