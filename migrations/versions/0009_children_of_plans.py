"""Jobs that belong to a plan have a place in it, once; and jobs that run the same are found by a fingerprint."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("child_key", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("fingerprint", sa.Text(), nullable=True))
    op.create_index("ux_jobs_parent_id_child_key", "jobs", ["parent_id", "child_key"], unique=True)
    op.create_index("ix_jobs_fingerprint", "jobs", ["fingerprint"])


def downgrade() -> None:
    op.drop_index("ix_jobs_fingerprint", "jobs")
    op.drop_index("ux_jobs_parent_id_child_key", "jobs")
    op.drop_column("jobs", "fingerprint")
    op.drop_column("jobs", "child_key")
