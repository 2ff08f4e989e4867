"""The layers that a custom architecture may be made of: an allow-list, since no code of a user is ever run.

Names and meanings are torch's. What a layer makes of its input is in `app.domain.layers`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictBool, TypeAdapter, model_validator

from app.domain.specs.fields import Part, at_odds, json_number, whole_number

CUSTOM = "custom"  #: the name of the architecture that stands in the spec itself
MOST_LAYERS = 200  #: those within residual layers counted too
DEEPEST = 8  #: residual layers within one another

Width = Annotated[int, Field(ge=1, le=8_192), BeforeValidator(whole_number)]
Side = Annotated[int, Field(ge=1, le=64), BeforeValidator(whole_number)]
Padding = Annotated[int, Field(ge=0, le=32), BeforeValidator(whole_number)]
Groups = Annotated[int, Field(ge=1, le=8_192), BeforeValidator(whole_number)]
_WHICH = "Which layer it is."


class Conv(Part):
    """A convolution with square kernels."""

    type: Literal["conv"] = Field(description=_WHICH)
    channels: Width = Field(description="Channels it gives.")
    kernel_size: Side = Field(description="Side of its kernel.")
    stride: Side = Field(1, description="Pixels from one place of the kernel to the next.")
    padding: Padding = Field(0, description="Zeros around the image; at stride 1, half an odd kernel keeps the side.")
    groups: Groups = Field(1, description="Divides both channel counts; all channels of the input: depthwise.")
    bias: StrictBool = Field(True, description="Set it to false before batch_norm, which has its own.")


class BatchNorm(Part):
    """Batch normalisation, of channels or of a flat vector's numbers."""

    type: Literal["batch_norm"] = Field(description=_WHICH)


class GroupNorm(Part):
    """Normalisation over groups of channels; unlike batch norm, the same for any batch."""

    type: Literal["group_norm"] = Field(description=_WHICH)
    groups: Groups = Field(description="Divides the channels.")


class Relu(Part):
    """Rectified linear unit."""

    type: Literal["relu"] = Field(description=_WHICH)


class Gelu(Part):
    """Gaussian error linear unit."""

    type: Literal["gelu"] = Field(description=_WHICH)


class Silu(Part):
    """Sigmoid linear unit, also called swish."""

    type: Literal["silu"] = Field(description=_WHICH)


class _Pool(Part):
    kernel_size: Side = Field(description="Side of the square that becomes one pixel.")
    stride: Side | None = Field(None, description="Pixels from one square to the next; left out: kernel_size.")
    padding: Padding = Field(0, description="Pixels added around the image; at most half of kernel_size.")

    @model_validator(mode="after")
    def _sees_the_image(self) -> "_Pool":
        if self.padding > self.kernel_size // 2:
            raise at_odds("padding", f"padding {self.padding} is more than half of kernel_size {self.kernel_size}")
        return self


class MaxPool(_Pool):
    """The largest value of each square."""

    type: Literal["max_pool"] = Field(description=_WHICH)


class AvgPool(_Pool):
    """The mean of each square."""

    type: Literal["avg_pool"] = Field(description=_WHICH)


class GlobalAvgPool(Part):
    """The mean of each channel: from pixels of any number to a flat vector."""

    type: Literal["global_avg_pool"] = Field(description=_WHICH)


class Dropout(Part):
    """Sets numbers to zero at random while training."""

    type: Literal["dropout"] = Field(description=_WHICH)
    p: Annotated[float, Field(ge=0, le=0.99), BeforeValidator(json_number)] = Field(
        0.5, description="Share of the numbers."
    )


class Flatten(Part):
    """From pixels to a flat vector."""

    type: Literal["flatten"] = Field(description=_WHICH)


class Linear(Part):
    """Every number from every number of a flat vector."""

    type: Literal["linear"] = Field(description=_WHICH)
    features: Literal["classes"] | Width = Field(
        description='Numbers it gives; "classes" for as many as the data set has classes, as in the last layer.'
    )
    bias: StrictBool = Field(True, description="Set it to false before batch_norm, which has its own.")


class Residual(Part):
    """Adds what its layers make of the input to the input."""

    type: Literal["residual"] = Field(description=_WHICH)
    layers: Annotated[tuple["Layer", ...], Field(min_length=1, max_length=MOST_LAYERS)] = Field(
        description="The branch; must give the shape that the shortcut gives."
    )
    shortcut: Annotated[tuple["Layer", ...], Field(max_length=MOST_LAYERS)] = Field(
        (), description="Layers on the way around, e.g. a convolution of kernel_size 1 and stride 2; none: the input."
    )


def _typed(value: Any) -> Any:  # noqa: ANN401
    """Let a bare string stand for a layer that needs only its `type`."""
    return {"type": value} if isinstance(value, str) else value


AnyLayer = (
    Conv
    | BatchNorm
    | GroupNorm
    | Relu
    | Gelu
    | Silu
    | MaxPool
    | AvgPool
    | GlobalAvgPool
    | Dropout
    | Flatten
    | Linear
    | Residual
)
LAYER_TYPES: tuple[type[Part], ...] = AnyLayer.__args__
Layer = Annotated[Annotated[AnyLayer, Field(discriminator="type")], BeforeValidator(_typed)]
Residual.model_rebuild()


class CustomArchitecture(Part):
    """A network layer by layer, from pixels to one number per class."""

    name: Literal["custom"] = Field(description="Says that the network stands in `layers`.")
    layers: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MOST_LAYERS)] = Field(
        description='In order; the last is {"type": "linear", "features": "classes"}.'
    )

    @model_validator(mode="before")
    @classmethod
    def _is_not_too_large(cls, data: Any) -> Any:  # noqa: ANN401
        """Before its layers are read one within the other, which takes as deep a stack as they have."""
        layers = data.get("layers") if isinstance(data, dict) else None
        for count, depth in enumerate(_depths(layers), 1):
            if depth > DEEPEST:
                raise at_odds("layers", f"has residual layers more than {DEEPEST} deep")
            if count > MOST_LAYERS:
                raise at_odds("layers", f"must have at most {MOST_LAYERS} layers, those in residual layers counted")
        return data

    @property
    def options(self) -> dict[str, Any]:
        """What was given beside the name, as plain data."""
        return {"layers": self.model_dump(mode="json")["layers"]}


def _depths(layers: Any) -> Iterator[int]:  # noqa: ANN401
    """For each layer of unread data, inside how many others it lies."""
    waiting = [(layers, 0)]
    while waiting:
        found, depth = waiting.pop()
        for layer in found if isinstance(found, list | tuple) else []:
            yield depth
            if isinstance(layer, dict):
                waiting += [(layer.get(branch), depth + 1) for branch in ("layers", "shortcut")]


_layers: TypeAdapter[tuple[AnyLayer, ...]] = TypeAdapter(tuple[Layer, ...])


def parse_layers(data: Any) -> tuple[AnyLayer, ...]:  # noqa: ANN401
    """Read a list of layers from plain data, as it lies in a row; raises pydantic's ValidationError."""
    return _layers.validate_python(data)
