"""Learning-rate policies as a user writes them; `app.domain.schedules` turns them into numbers."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, model_validator

from app.domain.specs.fields import OpenShare, Part, PositiveNumber, Share, at_odds, json_number, whole_number

MaxLr = Literal["auto"] | PositiveNumber
Momentum = Annotated[float, Field(ge=0, lt=1), BeforeValidator(json_number)]
Divisor = Annotated[float, Field(ge=1, le=1e9), BeforeValidator(json_number)]
ShapeName = Literal["case_study", "three_phase", "cosine", "triangle"]
LandmarkName = Literal["steepest", "edge", "minimum", "minimum_over_ten", "valley"]
PickName = Literal["best", "margin", LandmarkName]
_WHICH = "Which policy it is."


@dataclass(frozen=True, slots=True)
class Shape:
    """Every number of one cycle. Momenta that are None leave the optimizer's own momentum alone."""

    up: float
    annihilation: float
    initial_div: float
    final_div: float
    max_momentum: float | None
    min_momentum: float | None


SHAPES: dict[ShapeName, Shape] = {
    "case_study": Shape(0.5, 0.1, 10, 100, 0.95, 0.85),  # Smith & Topin 2019: 50/40/10
    "three_phase": Shape(0.45, 0.1, 10, 100, 0.95, 0.85),  # Smith 2018, fastai v1: equal up and down
    "cosine": Shape(0.3, 0.0, 25, 1e4, 0.95, 0.85),  # PyTorch's and fastai's default
    "triangle": Shape(0.2, 0.0, inf, inf, None, None),  # Page's ResNet-9: from 0, back to 0
}
CYCLED = (0.95, 0.85)  # momenta for a shape that leaves momentum alone, once the user names one of the two


class _Policy(Part):
    max_lr: MaxLr = Field("auto", description='The largest learning rate, or "auto" to pick it by a range test.')
    pick: PickName = Field(
        "best",
        description='How max_lr "auto" is found: "best" verifies what the range test suggests by short cycles where '
        'the training has the steps for it, "margin" goes by the range test alone, the others take its landmark of '
        "that name.",
    )
    search_steps: Annotated[int, Field(ge=120, le=10_000_000), BeforeValidator(whole_number)] | None = Field(
        None,
        description='With pick "best": the most optimizer steps that finding max_lr takes, range test and short cycles '
        "together; by default 30 % of the training's, and never more than that.",
    )

    @model_validator(mode="after")
    def _picks_only_what_is_open(self) -> Self:
        if self.pick != "best" and self.max_lr != "auto":
            message = f'pick "{self.pick}" says what max_lr "auto" takes, and max_lr is {self.max_lr:g}; leave one out'
            raise at_odds("pick", message)
        if self.search_steps is not None and (self.max_lr != "auto" or self.pick != "best"):
            raise at_odds("search_steps", 'only max_lr "auto" with pick "best" is searched for so long; leave it out')
        return self


class OneCycle(_Policy):
    """Smith's one cycle. A field left out takes the value of its `shape`."""

    policy: Literal["one_cycle"] = Field("one_cycle", description=_WHICH)
    shape: ShapeName = Field("case_study", description="Form of the cycle; the numbers left out are its own.")
    up: Share | None = Field(None, description="Share of the steps in which the learning rate rises.")
    annihilation: Share | None = Field(None, description="Share of the steps in the last, steep descent.")
    initial_div: Divisor | None = Field(None, description="max_lr / learning rate of the first step.")
    final_div: Divisor | None = Field(None, description="Learning rate of the first step / that of the last.")
    max_momentum: Momentum | None = Field(None, description="Momentum where the learning rate is smallest.")
    min_momentum: Momentum | None = Field(None, description="Momentum where the learning rate is largest.")
    cycle_beta1: StrictBool = Field(
        False,
        description="With adam or adamw: cycle beta1 between the momentum bounds, as SGD's momentum is. "
        "It stands here and not with the optimizer because the cycle's shape and bounds are what it follows.",
    )

    @property
    def numbers(self) -> Shape:
        """The shape with everything the user set put in its place."""
        base = SHAPES[self.shape]
        cycles = base.max_momentum is not None or self.max_momentum is not None or self.min_momentum is not None
        high, low = CYCLED if cycles else (None, None)
        return Shape(
            up=base.up if self.up is None else self.up,
            annihilation=base.annihilation if self.annihilation is None else self.annihilation,
            initial_div=self.initial_div or base.initial_div,
            final_div=self.final_div or base.final_div,
            max_momentum=high if self.max_momentum is None else self.max_momentum,
            min_momentum=low if self.min_momentum is None else self.min_momentum,
        )

    @model_validator(mode="after")
    def _fits(self) -> "OneCycle":
        numbers = self.numbers
        if numbers.up + numbers.annihilation > 1 + 1e-9:  # 1e-9: shares that add up to 1 on paper may not in binary
            raise at_odds(
                "annihilation" if self.up is None else "up",
                f"up {numbers.up:g} and annihilation {numbers.annihilation:g} are shares of the training and add up "
                f"to more than 1; what is left out is the default of shape {self.shape}, so set both",
            )
        low, high = numbers.min_momentum, numbers.max_momentum
        if low is not None and high is not None and low > high:
            given = "min_momentum" if self.max_momentum is None else "max_momentum"
            raise at_odds(given, f"min_momentum {low:g} is above max_momentum {high:g}; set both")
        if self.cycle_beta1 and high is None:
            raise at_odds("cycle_beta1", f"shape {self.shape} has no momentum to cycle; set max_momentum, e.g. 0.95")
        return self


class ConstantLr(_Policy):
    """The same learning rate throughout."""

    policy: Literal["constant"] = Field(description=_WHICH)


def _rising(shares: tuple[float, ...]) -> tuple[float, ...]:
    if sorted(set(shares)) != list(shares):
        raise ValueError("milestones must rise")
    return shares


class StepDecay(_Policy):
    """The learning rate times `factor` at each milestone, a share of the training."""

    policy: Literal["step"] = Field(description=_WHICH)
    milestones: Annotated[tuple[OpenShare, ...], Field(min_length=1, max_length=20), AfterValidator(_rising)] = Field(
        (0.5, 0.75), description="Shares of the training, rising, at which the learning rate falls."
    )
    factor: OpenShare = Field(0.1, description="What the learning rate is multiplied by at each milestone.")


class LinearDecay(_Policy):
    """From max_lr to 0 in a straight line."""

    policy: Literal["linear"] = Field(description=_WHICH)


class CosineDecay(_Policy):
    """From max_lr to 0 along half a cosine."""

    policy: Literal["cosine"] = Field(description=_WHICH)


def _one_cycle_unless_said(value: Any) -> Any:  # noqa: ANN401
    """pydantic looks for the tag of a union before any default is filled in."""
    return {"policy": "one_cycle", **value} if isinstance(value, dict) else value


Policy = Annotated[
    Annotated[OneCycle | ConstantLr | StepDecay | LinearDecay | CosineDecay, Field(discriminator="policy")],
    BeforeValidator(_one_cycle_unless_said),
]
