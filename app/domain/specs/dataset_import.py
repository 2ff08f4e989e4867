"""Fetching a published data set once, so that it can be trained on."""

from typing import Annotated, Literal

from pydantic import Field

from app.domain.specs.fields import NO_NUL, Part

DATASET_IMPORT = "dataset_import"


class DatasetImportSpec(Part):
    """`{"kind": "dataset_import", "dataset": "EuroSAT"}`. The keeper does it; it needs no worker."""

    kind: Literal["dataset_import"] = Field(description="Says that this fetches a data set.")
    dataset: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)] = Field(
        description="A classification set of torchvision by its name there, e.g. `EuroSAT` or `EMNIST-balanced`."
    )
