"""Datasets that users uploaded or operators registered; built-in ones have no row."""

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class DatasetTable(Base):
    """One dataset. The keeper checks it while it is `validating`."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(default="admin")
    name: Mapped[str]  #: unlike any other of its owner's
    kind: Mapped[str]  #: uploaded or registered
    state: Mapped[str]  #: validating, ready or invalid
    path: Mapped[str]  #: folder of its images; for an upload where they will be
    upload: Mapped[str | None]  #: the archive that waits to be checked
    version: Mapped[str | None]
    classes: Mapped[list[str] | None]
    counts: Mapped[dict[str, Any] | None]
    image: Mapped[dict[str, Any] | None]
    channel_mean: Mapped[list[float] | None]
    channel_std: Mapped[list[float] | None]
    report: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("owner", "name"),)
