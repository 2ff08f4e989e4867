"""Workers that were heard from, busy or idle."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class WorkerTable(Base):
    """One worker process by its name, `host:index`."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str]
    started_at: Mapped[datetime]
    heard_at: Mapped[datetime]
