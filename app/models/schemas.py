"""Models on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from app.db.tables import ModelTable


class ModelFileOut(BaseModel):
    """A file of a model."""

    name: str
    size: int
    sha256: str
    href: str


class ModelOut(BaseModel):
    """A trained model and what is needed to use it."""

    id: str
    owner: str
    job_id: str
    name: str
    architecture: dict[str, Any]
    parameters: int
    image_size: int
    channels: int
    classes: list[str]
    preprocessing: dict[str, Any]
    dataset: dict[str, Any]
    metrics: dict[str, Any]
    epoch: int
    created_at: datetime
    files: list[ModelFileOut]

    @classmethod
    def of(cls, row: ModelTable) -> "ModelOut":
        """From its row."""
        names = cls.model_fields.keys() - {"files"}
        files = [
            ModelFileOut(
                name=file.name, size=file.size, sha256=file.sha256, href=f"/v1/models/{row.id}/files/{file.name}"
            )
            for file in sorted(row.files, key=lambda file: file.name)
        ]
        return cls(**{name: getattr(row, name) for name in names}, files=files)


class ModelPage(BaseModel):
    """A page of models, newest first."""

    items: list[ModelOut]
    next_cursor: str | None
