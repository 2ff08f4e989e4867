"""Indexes in the order of lists: a page is read from them, not sorted out of all jobs."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_jobs_parent_id", "jobs")
    op.create_index("ix_jobs_list", "jobs", ["parent_id", "id", "state", "kind", "owner"])
    op.drop_index("ix_job_tags_tag", "job_tags")
    op.create_index("ix_job_tags_tag_job_id", "job_tags", ["tag", "job_id"])


def downgrade() -> None:
    op.drop_index("ix_job_tags_tag_job_id", "job_tags")
    op.create_index("ix_job_tags_tag", "job_tags", ["tag"])
    op.drop_index("ix_jobs_list", "jobs")
    op.create_index("ix_jobs_parent_id", "jobs", ["parent_id"])
