"""Names and facts of the built-in datasets and architectures, read from catalog.json (made by `make catalog`).

And of the one that is in no catalog: the custom architecture, whose layers stand in the spec.
"""

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.domain.layers import MOST_ACTIVATIONS, MOST_PARAMETERS
from app.domain.specs import RangeTestSpec, TrainingSpec
from app.domain.specs.fields import Part
from app.domain.specs.layers import CUSTOM, DEEPEST, LAYER_TYPES, MOST_LAYERS
from app.domain.specs.parts import Augmentation


class Fact(BaseModel):
    """Read-only knowledge from the catalog."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetFact(Fact):
    """A built-in data set, known before any of its images were seen."""

    name: str
    source: Literal["scikit-learn", "torchvision"]
    classes: list[str]
    counts: dict[Literal["train", "test"], int]
    mode: Literal["L", "RGB"]
    size: int = Field(description="Side of its square images in pixels.")
    validation: float = Field(0.1, description="Default share of the training images held out.")
    augmentation: Augmentation = Field(description='What `"augmentation": "default"` means here.')


class OptionFact(Fact):
    """An option of an architecture, a whole number within bounds."""

    default: int
    min: int
    max: int
    step: int = Field(1, description="It is `min` plus a multiple of this.")
    description: str

    def takes(self, value: object) -> bool:
        """Whether this whole number may be given."""
        return type(value) is int and value in range(self.min, self.max + 1, self.step)

    def __str__(self) -> str:
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"a whole number from {self.min} to {self.max}{step}"


class ArchitectureFact(Fact):
    """A network that every worker can build."""

    name: str
    family: str
    description: str
    paper: str | None = Field(None, description="Its number on arXiv, e.g. 1512.03385 for arxiv.org/abs/1512.03385.")
    parameters: int | None = Field(
        description="With default options, for 10 classes (own nets) or 1,000 (torchvision's); custom: null."
    )
    image_size: int | None = Field(description="The side it was designed for; custom: null.")
    min_image_size: int = Field(
        description="The smallest side whose forward and backward pass succeed; custom: 1, for its layers decide."
    )
    granularity: int = Field(1, description="The number of pixels that a side must be a multiple of.")
    channels: int | None = Field(None, description="Input channels it insists on; null takes 1 or 3.")
    batch_norm: bool = Field(False, description="Whether it has batch norm; custom: false, for its layers decide.")
    options: dict[str, OptionFact] = {}
    weights: list[str] = []


class LayerFieldFact(Fact):
    """A field of a type of layer."""

    takes: str = Field(description="In words, e.g. `a whole number`.")
    min: float | int | None
    max: float | int | None
    required: bool
    default: Any
    description: str


class LayerFact(Fact):
    """A type of layer for custom architectures."""

    description: str
    fields: dict[str, LayerFieldFact]


class CustomArchitectureFact(ArchitectureFact):
    """The architecture that a spec declares itself, in `layers`; what can be known before is what they may be."""

    layers: dict[str, LayerFact]
    limits: dict[str, int]


def default_image_size(side: int, fact: ArchitectureFact) -> int:
    """The side of a data set's images, raised to the next one that the architecture takes."""
    return -(-max(side, fact.min_image_size) // fact.granularity) * fact.granularity


def describe_misfit(side: int, fact: ArchitectureFact) -> str | None:
    """Which sides the architecture takes, where this is none of them."""
    if default_image_size(side, fact) == side:
        return None
    sides = f"images of {fact.min_image_size} px or more"
    if fact.granularity > 1:
        sides = f"images whose side is a multiple of {fact.granularity} px"
    return f"{fact.name} takes {sides}, not {side}; the next that fits is {default_image_size(side, fact)}"


def describe_flip(spec: RangeTestSpec | TrainingSpec, fact: DatasetFact) -> str | None:
    """What to set to false, where the spec mirrors images that by default are only shifted."""
    asked = list(_flips(spec))
    if fact.augmentation.flip or not asked:
        return None
    return (
        f"Mirrored, images of {fact.name} mean something else or nothing, which costs accuracy; "
        f"set {' and '.join(asked)} to false."
    )


def _flips(spec: RangeTestSpec | TrainingSpec) -> Iterator[str]:
    if isinstance(spec.augmentation, Augmentation) and spec.augmentation.flip:
        yield "augmentation.flip"
    if isinstance(spec, TrainingSpec) and spec.test_time_flip:
        yield "test_time_flip"


@cache
def _catalog() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(resources.files("app.domain").joinpath("catalog.json").read_text("utf-8"))
    return content


@cache
def datasets() -> dict[str, DatasetFact]:
    """Every built-in data set by name."""
    return {fact["name"]: DatasetFact.model_validate(fact) for fact in _catalog()["datasets"]}


@cache
def architectures() -> dict[str, ArchitectureFact]:
    """Every architecture by name, the custom one last."""
    known = {fact["name"]: ArchitectureFact.model_validate(fact) for fact in _catalog()["architectures"]}
    return known | {CUSTOM: custom_architecture()}


def custom_architecture() -> CustomArchitectureFact:
    """What may stand in the spec instead of a name."""
    return CustomArchitectureFact(
        name=CUSTOM,
        family=CUSTOM,
        description="Your own network, declared layer by layer in the spec and checked before it is queued. "
        'Its last layer is linear with features "classes".',
        parameters=None,
        image_size=None,
        min_image_size=1,
        layers={_tag(layer): _layer_fact(layer) for layer in LAYER_TYPES},
        limits={
            "layers": MOST_LAYERS,
            "depth": DEEPEST,
            "parameters": MOST_PARAMETERS,
            "activations_per_image": MOST_ACTIVATIONS,
        },
    )


def _tag(layer: type[Part]) -> str:
    tag: str = get_args(layer.model_fields["type"].annotation)[0]
    return tag


def _layer_fact(layer: type[Part]) -> LayerFact:
    schema = layer.model_json_schema()
    properties = schema.get("properties") or schema["$defs"][layer.__name__]["properties"]  # of one that holds itself
    fields = {name: _field_fact(field) for name, field in properties.items() if name != "type"}
    return LayerFact(description=(layer.__doc__ or "").strip(), fields=fields)


_TAKES = {"array": "a list of layers", "boolean": "true or false", "integer": "a whole number", "number": "a number"}


def _field_fact(schema: dict[str, Any]) -> LayerFieldFact:
    members = [member for member in schema.get("anyOf", [schema]) if member["type"] != "null"]
    words = [f'"{member["const"]}"' if "const" in member else _TAKES[member["type"]] for member in members]
    return LayerFieldFact(
        takes=" or ".join(words),
        min=members[-1].get("minimum"),
        max=members[-1].get("maximum"),
        required="default" not in schema,
        default=schema.get("default"),
        description=schema["description"],
    )
