"""Names and facts of the built-in datasets and architectures, read from catalog.json (made by `make catalog`)."""

import json
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class ArchitectureFact(Fact):
    """A network that every worker can build."""

    name: str
    family: str
    parameters: int = Field(description="With default options, for 10 classes (own nets) or 1,000 (torchvision's).")
    image_size: int = Field(description="The side it was designed for.")
    min_image_size: int = Field(description="The smallest side whose forward and backward pass succeed.")
    granularity: int = Field(1, description="The number of pixels that a side must be a multiple of.")
    channels: int | None = Field(None, description="Input channels it insists on; null takes 1 or 3.")
    options: dict[str, OptionFact] = {}
    weights: list[str] = []


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
    """Every architecture by name."""
    return {fact["name"]: ArchitectureFact.model_validate(fact) for fact in _catalog()["architectures"]}
