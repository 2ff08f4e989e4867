"""What a check says of a dataset: lines for humans, figures for them and their programs."""

from typing import Annotated

from pydantic import BaseModel, Field

Size = Annotated[list[int], Field(min_length=2, max_length=2, description="Width and height in pixels.")]


class ReportProblem(BaseModel):
    """Something about the dataset, and what to do about it. Codes do not change."""

    code: str
    path: str | None
    detail: str
    hint: str


class SideCount(BaseModel):
    """How many images have a shorter side within these bounds, in pixels."""

    at_least: int
    at_most: int
    images: int


class Sizes(BaseModel):
    """Sizes of all images, each side by itself."""

    min: Size
    median: Size
    max: Size
    shorter_sides: list[SideCount]


class ClassCount(BaseModel):
    """A class and its training images."""

    name: str
    images: int


class PerClass(BaseModel):
    """How the training images lie over the classes; `counts` of the dataset has every class."""

    smallest: ClassCount
    median: float
    largest: ClassCount


class Copies(BaseModel):
    """Images that are the same byte for byte: how many are one too many, and the first few pairs."""

    images: int
    examples: list[list[str]]


class Duplicates(BaseModel):
    """Copies by where they lie."""

    across_splits: Copies = Field(description="Test images that are training images, too.")
    across_classes: Copies = Field(description="Images that lie under more than one class.")
    within_training: Copies = Field(description="Training images that are copies of others.")


class Statistics(BaseModel):
    """Figures of all images that can be read."""

    images: int
    bytes: int = Field(description="Of the files they are in.")
    sizes: Sizes
    modes: dict[str, int] = Field(description="Images by mode, as Pillow names it.")
    per_class: PerClass
    duplicates: Duplicates


class Report(BaseModel):
    """The outcome of a check. With a problem the dataset is invalid; warnings keep nobody from training."""

    expected: str
    found: str
    problems: list[ReportProblem]
    warnings: list[ReportProblem] = []
    statistics: Statistics | None = Field(None, description="Null where no image could be read, or arrays not whole.")
