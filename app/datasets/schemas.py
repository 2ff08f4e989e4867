"""Datasets on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.datasets.built_in import class_counts
from app.datasets.facts import DatasetFacts
from app.db.tables import DatasetTable
from app.domain.specs.fields import NO_NUL

DatasetName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: DatasetName

    @field_validator("name")
    @classmethod
    def _is_no_id(cls, value: str) -> str:
        if value.startswith("ds_"):
            raise ValueError("must not begin with ds_, as ids do")
        return value


class Upload(_Named):
    """The fields beside the file of an upload."""


class Registration(_Named):
    """A folder on the server to be used as a dataset."""

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=NO_NUL)]


class ImageFacts(BaseModel):
    """What the pictures are like; [width, height] of the smallest and the largest, by each side."""

    mode: Literal["L", "RGB"]
    min: list[int]
    max: list[int]


class ReportProblem(BaseModel):
    """Something that keeps the dataset from being used, and what to do about it."""

    code: str
    path: str | None
    detail: str
    hint: str


class Report(BaseModel):
    """The outcome of a check, for humans."""

    expected: str
    found: str
    problems: list[ReportProblem]


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
    report: Report | None
    created_at: datetime | None = Field(description="Null for built-in datasets.")

    @classmethod
    def of(cls, dataset: DatasetFacts | DatasetTable) -> "DatasetOut":
        """From its row, or from the catalog."""
        return cls.model_validate(_of_built_in(dataset) if isinstance(dataset, DatasetFacts) else _of_row(dataset))


class DatasetPage(BaseModel):
    """A page of datasets: the built-in ones first, then the others, newest first."""

    items: list[DatasetOut]
    next_cursor: str | None


def _of_row(row: DatasetTable) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in DatasetOut.model_fields}
    return values | {"classes": row.classes or [], "counts": row.counts or {"train": {}, "test": {}}}


def _of_built_in(facts: DatasetFacts) -> dict[str, Any]:
    size = [facts.side, facts.side]
    same = {name: getattr(facts, name) for name in ("id", "name", "kind", "state", "version", "classes")}
    unknown = dict.fromkeys(("channel_mean", "channel_std", "report", "created_at"))
    image = {"mode": facts.mode, "min": size, "max": size}
    return same | unknown | {"image": image, "counts": class_counts(facts)}
