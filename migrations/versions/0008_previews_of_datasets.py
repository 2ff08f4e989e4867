"""Pictures of datasets, drawn by their check; what was checked before has none."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("preview", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("datasets", "preview")
