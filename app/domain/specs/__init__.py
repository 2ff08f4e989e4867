"""What to run. One spec travels from the HTTP body to the row to the engine, so it is described once."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from app.domain.specs.fields import Part
from app.domain.specs.parts import (
    Adam,
    AdamW,
    Architecture,
    Augmentation,
    DatasetRef,
    EarlyStopping,
    Freeze,
    Optimizer,
    Preprocessing,
    Sgd,
)
from app.domain.specs.policies import ConstantLr, CosineDecay, LinearDecay, OneCycle, Policy, StepDecay
from app.domain.specs.range_test import RangeTestSpec
from app.domain.specs.training import TrainingSpec

JobSpec = Annotated[RangeTestSpec | TrainingSpec, Field(discriminator="kind")]

_adapter: TypeAdapter[RangeTestSpec | TrainingSpec] = TypeAdapter(JobSpec)


def parse_spec(data: object) -> RangeTestSpec | TrainingSpec:
    """Read a spec from plain data, as it lies in a row; raises pydantic's ValidationError."""
    return _adapter.validate_python(data)


__all__ = [
    "Adam",
    "AdamW",
    "Architecture",
    "Augmentation",
    "ConstantLr",
    "CosineDecay",
    "DatasetRef",
    "EarlyStopping",
    "Freeze",
    "JobSpec",
    "LinearDecay",
    "OneCycle",
    "Optimizer",
    "Part",
    "Policy",
    "Preprocessing",
    "RangeTestSpec",
    "Sgd",
    "StepDecay",
    "TrainingSpec",
    "parse_spec",
]
