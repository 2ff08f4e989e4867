"""Datasets that users uploaded, operators registered or jobs imported; other built-in ones have no row."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class DatasetTable(Base):
    """One dataset. The keeper checks it while it is `validating`."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(default="admin")
    name: Mapped[str]  #: unlike any other of its owner's; the owner of imported ones is ""
    kind: Mapped[str]  #: uploaded, registered or built_in
    state: Mapped[str]  #: validating, ready or invalid
    path: Mapped[str]  #: folder of its images; for an upload where they will be
    upload: Mapped[str | None]  #: the archive that waits to be checked
    size: Mapped[int | None] = mapped_column(BigInteger)  #: bytes of an upload: of its archive, then of its images
    # What was asked for; None is the usual.
    test_fraction: Mapped[float | None]
    split_seed: Mapped[int | None] = mapped_column(BigInteger)
    on_bad_file: Mapped[str] = mapped_column(default="reject")  #: or skip
    # What the check found.
    version: Mapped[str | None]
    classes: Mapped[list[str] | None]
    counts: Mapped[dict[str, Any] | None]
    image: Mapped[dict[str, Any] | None]
    channel_mean: Mapped[list[float] | None]
    channel_std: Mapped[list[float] | None]
    split: Mapped[dict[str, Any] | None]  #: None in what was checked before there was one
    skipped: Mapped[list[str] | None]  #: paths of the files that are left out
    report: Mapped[dict[str, Any] | None]
    preview: Mapped[dict[str, Any] | None]  #: key, size and sha256 of a picture in the artifact store
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("owner", "name"),)
