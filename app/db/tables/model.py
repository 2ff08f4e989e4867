"""Models: trained weights and what is needed to use them. They outlive their job."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.tables.base import Base


class ModelTable(Base):
    """One trained model."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(default="admin")
    job_id: Mapped[str] = mapped_column(index=True)  # no foreign key: the job may be deleted
    name: Mapped[str]
    architecture: Mapped[dict[str, Any]]
    parameters: Mapped[int] = mapped_column(BigInteger)
    image_size: Mapped[int]
    channels: Mapped[int]
    classes: Mapped[list[str]]
    preprocessing: Mapped[dict[str, Any]]
    dataset: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    epoch: Mapped[int]
    created_at: Mapped[datetime]

    files: Mapped[list["ModelFileTable"]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    __table_args__ = (Index("ix_models_owner_id", "owner", "id"),)


class ModelFileTable(Base):
    """One file of a model, e.g. `weights.safetensors`."""

    __tablename__ = "model_files"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    media_type: Mapped[str]
