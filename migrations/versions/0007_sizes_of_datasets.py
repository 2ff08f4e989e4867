"""Sizes of uploaded datasets, for the quotas of their owners; the keeper measures those that are there."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("size", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "size")
