"""A learning-rate range test: sweep the rate over a few hundred steps and read the loss."""

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from app.domain.specs.fields import PositiveNumber, at_odds, whole_number
from app.domain.specs.leaf import LeafSpec

FEWEST_STEPS, MOST_STEPS = 100, 300  # by default
FEWEST_LOOKS = 20  # at held-out images; the fewest steps that a range test may have


class RangeTestSpec(LeafSpec):
    """Numbers left out follow the optimizer (start_lr, end_lr) and the size of the data (steps)."""

    kind: Literal["range_test"] = Field(description="Says that this is a range test.")
    start_lr: PositiveNumber | None = Field(
        None, description="First learning rate; by default 1e-6 with sgd and 1e-7 with the Adam family."
    )
    end_lr: PositiveNumber | None = Field(
        None,
        description="Last learning rate; by default 10 with sgd and 1 with the Adam family. A sweep that has not "
        "diverged there goes on for one more decade.",
    )
    steps: Annotated[int, Field(ge=20, le=100_000), BeforeValidator(whole_number)] | None = Field(
        None, description="Optimizer steps; by default those of one epoch, but at least 100 and at most 300."
    )
    sweep: Literal["exponential", "linear"] = Field(
        "exponential",
        description="How the learning rate rises. Between the default bounds, a linear sweep has only one point below "
        "0.1 (with the Adam family, 0.01) per hundred steps; give it the region to look at, e.g. with sgd `start_lr` "
        "0.01 and `end_lr` 1.",
    )
    repeats: Annotated[int, Field(ge=1, le=20), BeforeValidator(whole_number)] = Field(
        1, description="Sweeps with other initial weights and another order; the pick is read from all of them."
    )

    held_out: Annotated[int, Field(ge=1, le=1_000), BeforeValidator(whole_number)] | None = Field(
        None,
        description="Every so many steps, look at the loss on a batch of held-out images as well, and read landmarks "
        "and pick off that; left out, off the training loss. At least 20 such looks must fit into the steps.",
    )

    @model_validator(mode="after")
    def _looks_often_enough(self) -> "RangeTestSpec":
        steps = self.steps or FEWEST_STEPS
        if self.held_out is not None and steps < FEWEST_LOOKS * self.held_out:
            looks = math.ceil(steps / self.held_out)
            most = steps // FEWEST_LOOKS
            detail = f"every {self.held_out} of {steps} steps makes {looks} looks, too few for a curve; {most} at most"
            raise at_odds("held_out", detail)
        return self

    @model_validator(mode="after")
    def _rises(self) -> "RangeTestSpec":
        start, end = self.bounds
        if start >= end:
            given = "end_lr" if self.start_lr is None else "start_lr"
            raise at_odds(given, f"start_lr {start:g} must be below end_lr {end:g}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """First and last learning rate of the sweep (1e-6 to 10 for SGD, 1e-7 to 1 for the Adam family)."""
        start, end = (1e-6, 10.0) if self.optimizer.name == "sgd" else (1e-7, 1.0)
        return self.start_lr or start, self.end_lr or end

    def steps_for(self, steps_per_epoch: int) -> int:
        """The number of optimizer steps: one epoch, but not under 100 nor over 300."""
        return self.steps or max(FEWEST_STEPS, min(steps_per_epoch, MOST_STEPS))
