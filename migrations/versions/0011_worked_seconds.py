"""How long workers have had a job in all, pauses left out; of what has ended before, since its last `resume`."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("worked_seconds", sa.Double(), nullable=False, server_default="0"))
    op.execute("UPDATE jobs SET worked_seconds = ran_seconds")


def downgrade() -> None:
    op.drop_column("jobs", "worked_seconds")
