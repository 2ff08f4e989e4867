"""What every job that runs on a device says: the data, the network, the optimizer."""

from typing import Annotated, Literal

from pydantic import Field

from app.domain.specs.fields import BatchSize, ImageSize, OpenShare, Part, Seed
from app.domain.specs.parts import (
    ArchitectureField,
    Augmentation,
    DatasetField,
    Optimizer,
    Preprocessing,
    Sgd,
)


class LeafSpec(Part):
    """The fields that a range test and a training share, so that the one can stand in for the other."""

    dataset: DatasetField
    architecture: ArchitectureField
    optimizer: Optimizer = Sgd(name="sgd")
    batch_size: BatchSize = 128
    validation: Literal["test"] | OpenShare | None = Field(
        None, description='Share of the training images held out, or "test"; the default is 0.1, for digits 0.2.'
    )
    image_size: ImageSize | None = Field(None, description="Side in pixels; the default fits source and network.")
    pretrained: bool | Annotated[str, Field(min_length=1, max_length=60)] = Field(
        False, description="Start from published weights: true for the default ones, or their name."
    )
    augmentation: Literal["default", "none"] | Augmentation = "default"
    preprocessing: Preprocessing | None = Field(
        None, description="Normalisation; the data set's own, or ImageNet's with pretrained weights."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    seed: Seed = 0
