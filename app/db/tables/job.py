"""Jobs: the queue of record. A message to a worker is only a hint that a row here waits."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db.tables.base import Base


class JobTable(Base):
    """One job, from submission to its end."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str | None]
    owner: Mapped[str] = mapped_column(default="admin")
    priority: Mapped[int] = mapped_column(default=0)
    # What it needs of a worker.
    device: Mapped[str] = mapped_column(default="any")  #: any, cpu or cuda
    devices: Mapped[int] = mapped_column(default=1)
    state: Mapped[str]
    phase: Mapped[str | None]
    spec: Mapped[dict[str, Any]]
    resolved: Mapped[dict[str, Any]] = mapped_column(default=dict)
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    parent_id: Mapped[str | None]
    child_key: Mapped[str | None]  #: the place in its parent's plan
    fingerprint: Mapped[str | None]  #: of spec, data and code: two jobs with the same would do the same
    source_id: Mapped[str | None]
    dataset_id: Mapped[str]
    model_id: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column(default=1)  #: grows with every change; the ETag
    last_seq: Mapped[int] = mapped_column(default=0)  #: of the newest row in job_events
    # The lease: who works on it, under which fence, until when unless renewed.
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    # The time limit: what of it the claims since the submission or the last `resume` have used up.
    max_runtime_seconds: Mapped[float | None]
    on_time_limit: Mapped[str] = mapped_column(default="pause")
    ran_seconds: Mapped[float] = mapped_column(default=0.0)
    worked_seconds: Mapped[float] = mapped_column(default=0.0)  #: of all claims that have ended; of a plan, 0
    attempts: Mapped[int] = mapped_column(default=0)  #: claims, for whatever reason the last one ended
    crashes: Mapped[int] = mapped_column(default=0)  #: since the last new checkpoint
    max_attempts: Mapped[int] = mapped_column(default=3)
    not_before: Mapped[datetime | None]  #: backoff after a crash
    checkpoint: Mapped[dict[str, Any] | None]
    # Hints sent to the broker for this row, so that the sweeper repeats them with backoff.
    hints: Mapped[int] = mapped_column(default=0)
    hinted_at: Mapped[datetime | None]

    tags: Mapped[list["JobTagTable"]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    __table_args__ = (
        # In the order of a claim, or each would sort the whole queue.
        Index("ix_jobs_state_priority_id", "state", priority.desc(), "id"),
        # In the order of a list, with all it is filtered by: what does not fit is skipped within the index.
        Index("ix_jobs_list", "parent_id", "id", "state", "kind", "owner"),
        # The same for one owner. SQLite takes whatever begins with the owner, so nothing else may.
        Index("ix_jobs_owner_list", "owner", "parent_id", "id", "state", "kind"),
        Index("ux_jobs_parent_id_child_key", "parent_id", "child_key", unique=True),
        Index("ix_jobs_fingerprint", "fingerprint"),
    )


class JobTagTable(Base):
    """A tag of a job, for finding it again."""

    __tablename__ = "job_tags"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (Index("ix_job_tags_tag_job_id", "tag", "job_id"),)  # in the order of a list
