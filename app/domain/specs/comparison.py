"""Comparing ways to train: the same network on the same data, a baseline over all epochs, the others over fewer."""

import math
from collections.abc import Mapping
from itertools import chain
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from app.domain.merging import merged
from app.domain.specs.fields import Epochs, OpenShare, at_odds, json_number, whole_number
from app.domain.specs.training import TrainingOptions, TrainingSpec

COMPARISON = "comparison"
BASELINE, ONE_CYCLE = "baseline", "one_cycle"
AT_SHARE = f"{ONE_CYCLE}@"  #: begins the names of its arms in further shares of the epochs
CONTROLS = ("linear", "cosine", "constant", "step")  #: under their own policies, over as few epochs as one cycle
MOST_CHILDREN = 1000
SHARED = ("kind", "preset", "dataset", "validation", "seed", "evaluate_test")  #: what no arm may have of its own

ARM_NAME = r"^[a-z0-9][a-z0-9_.@-]*$"
ArmName = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=ARM_NAME)]


class ComparisonSpec(TrainingOptions):
    """Is it super-convergence? `{"kind": "comparison", "dataset": "MNIST", "architecture": "lenet", "epochs": 85}`.

    The goal it looks at is the case study's: one cycle within `margin` points of the baseline's accuracy in `fraction`
    of its epochs.
    """

    kind: Literal["comparison"] = Field(description="Says that this compares trainings.")
    epochs: Epochs = Field(20, description="Passes over the training images of the baseline.")
    fraction: OpenShare = Field(0.25, description="Share of those epochs in which one cycle and its controls train.")
    fractions: Annotated[tuple[OpenShare, ...], Field(max_length=10)] = Field(
        (), description="Further shares in which one cycle is tried, to find the fewest epochs that reach the goal."
    )
    margin: Annotated[float, Field(ge=0, le=100), BeforeValidator(json_number)] = Field(
        3.0, description="Percentage points that the goal allows below the baseline's accuracy."
    )
    seeds: Annotated[int, Field(ge=1, le=50), BeforeValidator(whole_number)] = Field(
        5,
        description="Trainings of each arm, with the seeds `seed`, `seed` + 1 and so on: the same for every arm, so "
        "that differences are taken in pairs. A single one gives no interval, so that nothing is decided.",
    )
    arms: Annotated[dict[ArmName, dict[str, Any] | None], Field(max_length=50)] = Field(
        {},
        description="Changes to the arms, each a merge patch of a training: `baseline`, `one_cycle`, `linear`, "
        "`cosine`, `constant`, `step` and `one_cycle@` with a share of `fractions`, whose epochs follow from that. "
        "null leaves one out, and another name adds one, which is `one_cycle` with what is given.",
        json_schema_extra={"additionalProperties": False},
    )
    search_steps: Annotated[int, Field(ge=120, le=10_000_000), BeforeValidator(whole_number)] | None = Field(
        None,
        description="The most optimizer steps that each arm's search for max_lr takes, the same for all: by default, "
        "and at most, 30 % of those of the shortest arm.",
    )
    reuse: StrictBool = Field(
        False, description="Take over what ended jobs on the same spec, data and code have found, and say so."
    )

    @model_validator(mode="after")
    def _has_arms_to_compare(self) -> Self:
        arms = arms_of(self)  # raises for an arm that is no training
        for name in (BASELINE, ONE_CYCLE):
            if name not in arms:
                raise at_odds("arms", f"{name} is what the goal is about, so it cannot be left out; change it instead")
        if self.batch_size == "auto" or any(arm.batch_size == "auto" for arm in arms.values()):
            raise at_odds(
                "batch_size", "each training would choose its own, and the arms would differ by that; give one"
            )
        children = len(arms) * self.seeds
        if children > MOST_CHILDREN:
            told = f"{len(arms)} arms of {self.seeds} trainings are {children:,}; at most {MOST_CHILDREN:,} go together"
            raise at_odds("seeds", told)
        if self.all_seeds.stop > 2**32:
            raise at_odds("seed", f"{self.seeds} seeds from {self.seed} on go beyond {2**32 - 1}")
        return self

    @property
    def all_seeds(self) -> range:
        """The seeds of each arm."""
        return range(self.seed, self.seed + self.seeds)


def arms_of(spec: ComparisonSpec) -> dict[str, TrainingSpec]:
    """Every arm as a training, by name, in the order of tables; raises ValidationError with the place in `arms`."""
    defaults = _defaults(spec)
    shared = spec.model_dump(include=set(TrainingOptions.model_fields) - {"epochs"}, exclude_unset=True)
    found = {}
    for name in chain(defaults, _added(spec, defaults)):
        change = spec.arms.get(name, {})
        if change is not None:
            usual = merged(shared, defaults.get(name, defaults[ONE_CYCLE]))
            found[name] = _arm(name, change, merged(usual, change))  # last, since null takes away what is shared
            _check_policy(name, found[name], defaults)
    return found


def _defaults(spec: ComparisonSpec) -> dict[str, dict[str, Any]]:
    """The arms as they are when nothing is said of them."""
    few = _epochs(spec, spec.fraction)
    cycle: dict[str, Any] = {"policy": "one_cycle"}
    arms: dict[str, dict[str, Any]] = {
        BASELINE: {"epochs": spec.epochs, "schedule": {"policy": "step"}},
        ONE_CYCLE: {"epochs": few, "schedule": cycle},
    }
    others = sorted(set(spec.fractions) - {spec.fraction}, reverse=True)
    arms |= {at_share(share): {"epochs": _epochs(spec, share), "schedule": cycle} for share in others}
    return arms | {policy: {"epochs": few, "schedule": {"policy": policy}} for policy in CONTROLS}


def _added(spec: ComparisonSpec, defaults: Mapping[str, Any]) -> list[str]:
    """Arms of other names; one that means a default's would train beside it, under a share that it does not have."""
    names = [name for name in spec.arms if name not in defaults]
    for name in names:
        if spec.arms[name] is None:
            told = f"there is no arm of that name to leave out; there are {', '.join(defaults)}"
            raise _error(name, (), told, None)
        if name == at_share(spec.fraction):
            raise _error(name, (), f"that share is the arm {ONE_CYCLE}", spec.arms[name])
        if name.startswith(AT_SHARE):
            cycles = ", ".join(one for one in defaults if _is_cycle(one))
            told = f"such names are of the shares in fractions, and there are {cycles}; add the share there"
            raise _error(name, (), told, spec.arms[name])
    return names


def is_default(name: str) -> bool:
    """Whether an arm of this name is there without a word, or with its share alone."""
    return name in (BASELINE, *CONTROLS) or _is_cycle(name)


def _is_cycle(name: str) -> bool:
    return name == ONE_CYCLE or name.startswith(AT_SHARE)


def at_share(share: float) -> str:
    """The name of one cycle's arm in a share of the epochs."""
    return f"{AT_SHARE}{share:g}"


def _epochs(spec: ComparisonSpec, share: float) -> int:
    epochs = math.floor(spec.epochs * share + 1e-9)  # never more than the share; .1 × 30 is 3
    if epochs < 1:
        field = "fraction" if share == spec.fraction else "fractions"
        raise at_odds(field, f"{share:g} of {spec.epochs} epochs is less than one; raise epochs or the share")
    return epochs


def _arm(name: str, change: Mapping[str, Any], data: Mapping[str, Any]) -> TrainingSpec:
    for field in SHARED:
        if field in change:
            raise _error(name, (field,), f"all arms share {field}; leave it out here", change[field])
    if "epochs" in change and is_default(name):
        told = "follow from epochs and its share; change those, or give an arm of another name epochs of its own"
        raise _error(name, ("epochs",), f"the epochs of {name} {told}", change["epochs"])
    own = change.get("schedule")
    if isinstance(own, dict) and own.get("search_steps") is not None:
        told = "every arm's search takes as many steps; give search_steps to the comparison"
        raise _error(name, ("schedule", "search_steps"), told, own["search_steps"])
    try:
        return TrainingSpec.model_validate({**data, "kind": "training"})
    except ValidationError as error:
        raise ValidationError.from_exception_data(
            "ComparisonSpec", [_within(name, one) for one in error.errors()]
        ) from None


def _check_policy(name: str, arm: TrainingSpec, defaults: Mapping[str, Any]) -> None:
    """The baseline and arms of other names may have any; raises ValidationError."""
    if name in defaults and name != BASELINE and arm.schedule.policy != defaults[name]["schedule"]["policy"]:
        told = (
            f"the report goes by the arm's name, so {name} keeps that policy; add an arm of another name for this one"
        )
        raise _error(name, ("schedule", "policy"), told, arm.schedule.policy)


def _error(name: str, place: tuple[str, ...], message: str, value: Any) -> ValidationError:  # noqa: ANN401
    kind = PydanticCustomError("invalid_value", "{message}", {"message": message})
    entry = InitErrorDetails(type=kind, loc=("arms", name, *place), input=value)
    return ValidationError.from_exception_data("ComparisonSpec", [entry])


def _within(name: str, entry: Any) -> InitErrorDetails:  # noqa: ANN401 - as pydantic has them
    """An error of a training as one of the arm's."""
    context = entry.get("ctx", {})
    kind = PydanticCustomError(entry["type"], "{message}", {**context, "message": entry["msg"]})
    return InitErrorDetails(type=kind, loc=("arms", name, *entry["loc"]), input=entry["input"])
