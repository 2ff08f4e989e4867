"""What to run. One spec travels from the HTTP body to the row to the engine, so it is described once."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from app.domain.specs.auto import AUTO, AutoSpec
from app.domain.specs.comparison import COMPARISON, ComparisonSpec
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
from app.domain.specs.tuning import TUNING, TuningSpec

DeviceSpec = RangeTestSpec | TrainingSpec  #: what a worker runs
PlanSpec = ComparisonSpec | TuningSpec | AutoSpec  #: what is made of such jobs
AnySpec = DeviceSpec | DatasetImportSpec | PlanSpec
JobSpec = Annotated[AnySpec, Field(discriminator="kind")]

PLAN_KINDS = (COMPARISON, TUNING, AUTO)
#: What no worker claims: the keeper does it.
KEEPERS_KINDS = (DATASET_IMPORT, *PLAN_KINDS)

_adapter: TypeAdapter[AnySpec] = TypeAdapter(JobSpec)
_of_plans: TypeAdapter[PlanSpec] = TypeAdapter(Annotated[PlanSpec, Field(discriminator="kind")])
_on_device: TypeAdapter[DeviceSpec] = TypeAdapter(Annotated[DeviceSpec, Field(discriminator="kind")])


def parse_spec(data: object) -> AnySpec:
    """Read a spec from plain data, as it lies in a row; raises pydantic's ValidationError."""
    return _adapter.validate_python(data)


def parse_plan_spec(data: object) -> PlanSpec:
    """The same for what the keeper advances."""
    return _of_plans.validate_python(data)


def parse_device_spec(data: object) -> DeviceSpec:
    """The same for what a worker runs."""
    return _on_device.validate_python(data)


__all__ = [
    "DATASET_IMPORT",
    "KEEPERS_KINDS",
    "PLAN_KINDS",
    "Adam",
    "AdamW",
    "AnySpec",
    "Architecture",
    "Augmentation",
    "AutoSpec",
    "ComparisonSpec",
    "ConstantLr",
    "CosineDecay",
    "DatasetImportSpec",
    "DatasetRef",
    "DeviceSpec",
    "EarlyStopping",
    "Freeze",
    "JobSpec",
    "LinearDecay",
    "OneCycle",
    "Optimizer",
    "Part",
    "PlanSpec",
    "Policy",
    "Preprocessing",
    "RangeTestSpec",
    "Sgd",
    "StepDecay",
    "TrainingSpec",
    "TuningSpec",
    "parse_device_spec",
    "parse_plan_spec",
    "parse_spec",
]
