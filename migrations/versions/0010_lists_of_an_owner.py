"""The index in the order in which an owner's jobs are listed has all that such lists are filtered by."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_jobs_owner_list", "jobs", ["owner", "parent_id", "id", "state", "kind"])
    op.drop_index("ix_jobs_owner_id", "jobs")


def downgrade() -> None:
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    op.drop_index("ix_jobs_owner_list", "jobs")
