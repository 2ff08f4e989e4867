"""What every job that runs on a device says: the data, the network, the optimizer."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from app.domain.specs.fields import (
    BatchSize,
    ImageSize,
    OpenShare,
    Part,
    PositiveNumber,
    Seed,
    at_odds,
    json_number,
    whole_number,
)
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

    dataset: DatasetField = Field(description="The images: a name or id of `GET /v1/datasets`, or an object.")
    architecture: ArchitectureField = Field(description="The network: a name of `GET /v1/architectures`, or an object.")
    optimizer: Optimizer = Field(Sgd(name="sgd"), description="The optimizer: a name, or an object.")
    batch_size: Literal["auto"] | BatchSize = Field(
        128,
        description='Images whose gradients are computed at once. "auto" is the largest power of two from 16 to '
        "1,024 that the gradient noise scale of a few steps makes worth it and memory has room for.",
    )
    validation: Literal["test"] | OpenShare | None = Field(
        None, description='Share of the training images held out, or "test"; the default is 0.1, for digits 0.2.'
    )
    image_size: ImageSize | None = Field(None, description="Side in pixels; the default fits source and network.")
    crop_from: ImageSize | None = Field(
        None,
        description="Bring images to this side first, then cut image_size out: anywhere when training, in the middle "
        "otherwise.",
    )
    pretrained: StrictBool | Annotated[str, Field(min_length=1, max_length=60)] = Field(
        False, description="Start from published weights: true for the default ones, or their name."
    )
    layer_lr_decay: Annotated[float, Field(gt=0, le=1), BeforeValidator(json_number)] = Field(
        1.0,
        description="Learning rate of each stage of the network over that of the next one towards the head, "
        "which has the schedule's own; 1 is the same rate everywhere.",
    )
    augmentation: Literal["default", "none"] | Augmentation = Field(
        "default", description='Random changes of the training images; "default" is the data set\'s own.'
    )
    preprocessing: Preprocessing | None = Field(
        None, description="Normalisation; the data set's own, or ImageNet's with pretrained weights."
    )
    accumulation_steps: Annotated[int, Field(ge=1, le=1_024), BeforeValidator(whole_number)] = Field(
        1, description="Batches whose gradients one optimizer step averages; the schedule counts optimizer steps."
    )
    gradient_clip: PositiveNumber | None = Field(
        None, description="Scale the gradient of all parameters together down to this norm where it is larger."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1), BeforeValidator(json_number)] = Field(
        0.0, description="Share of each target spread evenly over all classes, in training alone."
    )
    mixup: PositiveNumber | None = Field(
        None,
        description="Blend each image with another by a share drawn from Beta(mixup, mixup), and their targets alike. "
        "The training accuracy counts the label with the larger share.",
    )
    cutmix: PositiveNumber | None = Field(
        None,
        description="Paste a box of another image, its area drawn from Beta(cutmix, cutmix), and blend the targets by "
        "area. With mixup as well, each optimizer step is one or the other.",
    )
    cutout: Annotated[int, Field(ge=1, le=1_024), BeforeValidator(whole_number)] | None = Field(
        None, description="Blank out a square of this side in every training image, in pixels the network sees."
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="Precision of the arithmetic; `auto` is what measured faster on the worker's machine, or for a "
        "short training what its hardware has.",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile; by default where a trial on the worker says that the training repays it."
    )
    devices: Annotated[int, Field(ge=1, le=64), BeforeValidator(whole_number)] = Field(
        1,
        description="Devices of one worker that share each batch, whose size they must divide; only workers with so "
        "many claim the job. Batch norm normalises each device's share by itself, and the first one's statistics stay.",
    )
    deterministic: StrictBool = Field(
        False,
        description="Only kernels that give the same bits every time; on a GPU slower, and not for every network.",
    )
    seed: Seed = Field(
        0, description="Seed of everything random: held-out images, weights, order, augmentation, dropout."
    )

    @model_validator(mode="after")
    def _cuts_out_less_than_there_is(self) -> "LeafSpec":
        if self.crop_from is not None and (self.image_size is None or self.image_size >= self.crop_from):
            raise at_odds("image_size", f"crop_from {self.crop_from} needs a smaller image_size to cut out of it")
        return self

    @model_validator(mode="after")
    def _shares_batches_evenly(self) -> "LeafSpec":
        if self.batch_size == "auto":
            return self
        left_over = self.batch_size % self.devices
        if left_over:
            sizes = (self.batch_size - left_over, self.batch_size - left_over + self.devices)
            offer = " or ".join(str(size) for size in sizes if size)
            detail = f"{self.devices} devices do not share {self.batch_size} images evenly; take {offer}"
            raise at_odds("batch_size", detail)
        return self

    @model_validator(mode="after")
    def _has_pairs_to_mix(self) -> "LeafSpec":
        if self.batch_size == 1 == self.accumulation_steps and (self.mixup or self.cutmix):
            raise at_odds("mixup" if self.mixup else "cutmix", "a step on one image has no other to mix it with")
        return self
