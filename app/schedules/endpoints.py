"""Schedule previews over HTTP."""

import math
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, Field

from app.domain.curves import Column, downsample
from app.domain.schedules import Schedule, build_schedule
from app.domain.specs.fields import Part, whole_number
from app.domain.specs.policies import Policy
from app.errors import refused

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

Steps = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(whole_number)]


class PreviewRequest(Part):
    """A policy with its max_lr as a number, and the optimizer steps to run it over."""

    schedule: Policy
    steps: Steps
    max_points: Annotated[int, Field(ge=2, le=10_000), BeforeValidator(whole_number)] = 1000


class Preview(BaseModel):
    """Learning rate and momentum at the steps named in `step`; momentum is null where the optimizer keeps its own."""

    step: list[int]
    learning_rate: list[float]
    momentum: list[float] | None
    steps: int


@router.post("/preview")
def preview_schedule(wanted: PreviewRequest) -> Preview:
    """What a training would do, step by step. Nothing is queued."""
    if wanted.schedule.max_lr == "auto":
        detail = 'A preview needs a number: "auto" is only known after a range test.'
        hint = "Give schedule.max_lr as a number, e.g. 1.0."
        raise refused("#/schedule/max_lr", code="max_lr_needed", detail=detail, hint=hint)
    schedule = build_schedule(wanted.schedule, max_lr=wanted.schedule.max_lr)
    steps = _telling_steps(schedule, wanted.steps, about=4 * wanted.max_points)
    points = [schedule.at(step, wanted.steps) for step in steps]
    columns: dict[str, Column] = {
        "step": steps,
        "rate": [rate for rate, _ in points],
        "momentum": [momentum for _, momentum in points],
    }
    rows = downsample(columns, wanted.max_points)
    return Preview.model_validate(
        {
            "step": rows["step"],
            "learning_rate": rows["rate"],
            "momentum": None if points[0][1] is None else rows["momentum"],
            "steps": wanted.steps,
        }
    )


def _telling_steps(schedule: Schedule, total: int, *, about: int) -> list[int]:
    """Steps to look at: all, or of many evenly some, with the last one and those around each turn.

    A million steps would keep the process busy for seconds, only to thin them out afterwards.
    """
    turns = [*schedule.rate.turns, *(schedule.momenta.turns if schedule.momenta else ())]
    nearest = [round(progress * (total - 1)) for progress, _ in turns]
    around = {step + offset for step in nearest for offset in (-1, 0, 1) if 0 <= step + offset < total}
    return sorted({*range(0, total, math.ceil(total / about)), total - 1} | around)
