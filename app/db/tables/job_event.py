"""Job events: the one history of a job, append-only."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import Base


class JobEventTable(Base):
    """Something that happened. `seq` comes from the job's own counter, so it has no gaps and follows commits."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str]
    time: Mapped[datetime]
    attempt: Mapped[int]
    data: Mapped[dict[str, Any]]
