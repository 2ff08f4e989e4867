"""Datasets on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from app.datasets.built_in import class_counts
from app.datasets.facts import DatasetFacts
from app.datasets.report import Report
from app.db.tables import DatasetTable
from app.domain.specs.fields import NO_NUL, Seed, json_number

Parsed = TypeVar("Parsed", int, float)

TestFraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(json_number)]
DatasetName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


class _New(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: DatasetName
    test_fraction: TestFraction | None = Field(
        None,
        description="Share of each class that is taken out for testing where there is no test split; 0 for none. "
        "[default: 0.2]",
    )
    split_seed: Seed | None = Field(None, description="Which images that takes. [default: 0]")
    on_bad_file: Literal["reject", "skip"] = Field(
        "reject", description="`skip` leaves out pictures that cannot be read, if they are 1 % of all or fewer."
    )

    @field_validator("name")
    @classmethod
    def _is_no_id(cls, value: str) -> str:
        if value.startswith("ds_"):
            raise ValueError("must not begin with ds_, as ids do")
        return value


class Upload(_New):
    """The fields beside the file of an upload, all of them text."""

    @field_validator("test_fraction", mode="before")
    @classmethod
    def _reads_fraction(cls, value: str) -> float:
        return _number(value, float, what="a number, as in 0.2")

    @field_validator("split_seed", mode="before")
    @classmethod
    def _reads_seed(cls, value: str) -> int:
        return _number(value, int, what="a whole number, as in 0")


def _number(text: str, kind: type[Parsed], *, what: str) -> Parsed:
    try:
        return kind(text)
    except ValueError as error:
        raise PydanticCustomError("form_number", "must be {what}", {"what": what}) from error


class Registration(_New):
    """A folder on the server to be used as a dataset."""

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=NO_NUL)]


class ImageFacts(BaseModel):
    """What the pictures are like; [width, height] of the smallest and the largest, by each side."""

    mode: Literal["L", "RGB"]
    min: list[int]
    max: list[int]


class Split(BaseModel):
    """Where the test images come from. The same images, share and seed always give the same ones."""

    origin: Literal["made", "folders", "arrays", "published", "none"] = Field(
        description="`made`: taken out of each class by the check. `folders`, `arrays`, `published`: they came so. "
        "`none`: all images are for training."
    )
    test_fraction: float | None = Field(description="Of a split that was made.")
    seed: int | None = Field(description="Of a split that was made.")


class DatasetOut(BaseModel):
    """A dataset. What only its check can tell is null before."""

    id: str
    name: str
    kind: Literal["built_in", "uploaded", "registered"]
    state: Literal["available", "validating", "ready", "invalid"]
    version: str | None
    classes: list[str]
    counts: dict[str, dict[str, int]]
    image: ImageFacts | None
    channel_mean: list[float] | None
    channel_std: list[float] | None
    split: Split | None = Field(description="Null before the check, and in what a release without splits checked.")
    report: Report | None
    preview: str | None = Field(description="Path of a picture of its classes, once the check has drawn it.")
    size: int | None = Field(
        description="Bytes that an uploaded or imported dataset takes on the server; null where it takes none."
    )
    created_at: datetime | None = Field(description="Null for built-in datasets that need no import.")
    expires_at: datetime | None = Field(
        None, description="When it is deleted unless a job uses it; null where it stays, or a job is using it."
    )

    @classmethod
    def of(cls, dataset: DatasetFacts | DatasetTable) -> "DatasetOut":
        """From its row, or from the catalog."""
        return cls.model_validate(_of_built_in(dataset) if isinstance(dataset, DatasetFacts) else _of_row(dataset))


class DatasetPage(BaseModel):
    """A page of datasets: the built-in ones first, then the others, newest first."""

    items: list[DatasetOut]
    next_cursor: str | None


def _of_row(row: DatasetTable) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in DatasetOut.model_fields if name != "expires_at"}
    preview = f"/v1/datasets/{row.id}/preview.png" if row.preview else None
    counts = row.counts or {"train": {}, "test": {}}
    return values | {"classes": row.classes or [], "counts": counts, "preview": preview}


def _of_built_in(facts: DatasetFacts) -> dict[str, Any]:
    size = [facts.side, facts.side]
    same = {name: getattr(facts, name) for name in ("id", "name", "kind", "state", "version", "classes")}
    unknown = dict.fromkeys(("channel_mean", "channel_std", "report", "preview", "size", "created_at"))
    image = {"mode": facts.mode, "min": size, "max": size}
    split = {"origin": "published" if facts.counts["test"] else "none", "test_fraction": None, "seed": None}
    return same | unknown | {"image": image, "counts": class_counts(facts), "split": split}
