"""Owners, devices, time limits, and a count of faults."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[object], str | None], ...] = (
    ("owner", sa.Text(), "admin"),
    ("device", sa.Text(), "any"),
    ("devices", sa.Integer(), "1"),
    ("claimed_at", sa.Double(), None),
    ("max_runtime_seconds", sa.Double(), None),
    ("on_time_limit", sa.Text(), "pause"),
    ("ran_seconds", sa.Double(), "0"),
)
_ORDER = "ix_jobs_state_priority_id"


def upgrade() -> None:
    for name, kind, value in _COLUMNS:
        op.add_column("jobs", sa.Column(name, kind, nullable=value is None, server_default=value))
    op.drop_index(_ORDER, "jobs")
    op.create_index(_ORDER, "jobs", ["state", sa.text("priority DESC"), "id"])
    op.create_table(
        "faults",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_faults")),
    )


def downgrade() -> None:
    op.drop_table("faults")
    op.drop_index(_ORDER, "jobs")
    op.create_index(_ORDER, "jobs", ["state", "priority", "id"])
    for name, _, _ in reversed(_COLUMNS):
        op.drop_column("jobs", name)
