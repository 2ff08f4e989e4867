"""What to run. One spec travels from the HTTP body to the row to the engine, so it is described once."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from app.domain.specs.dataset_import import DATASET_IMPORT, DatasetImportSpec
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

JobSpec = Annotated[RangeTestSpec | TrainingSpec | DatasetImportSpec, Field(discriminator="kind")]

_adapter: TypeAdapter[RangeTestSpec | TrainingSpec | DatasetImportSpec] = TypeAdapter(JobSpec)
_on_device: TypeAdapter[RangeTestSpec | TrainingSpec] = TypeAdapter(
    Annotated[RangeTestSpec | TrainingSpec, Field(discriminator="kind")]
)


def parse_spec(data: object) -> RangeTestSpec | TrainingSpec | DatasetImportSpec:
    """Read a spec from plain data, as it lies in a row; raises pydantic's ValidationError."""
    return _adapter.validate_python(data)


def parse_device_spec(data: object) -> RangeTestSpec | TrainingSpec:
    """The same for what a worker runs."""
    return _on_device.validate_python(data)


__all__ = [
    "DATASET_IMPORT",
    "Adam",
    "AdamW",
    "Architecture",
    "Augmentation",
    "ConstantLr",
    "CosineDecay",
    "DatasetImportSpec",
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
    "parse_device_spec",
    "parse_spec",
]
