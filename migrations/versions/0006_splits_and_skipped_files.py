"""Test splits that the check makes, and files that it leaves out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[object], str | None], ...] = (
    ("test_fraction", sa.Double(), None),
    ("split_seed", sa.BigInteger(), None),
    ("on_bad_file", sa.Text(), "reject"),
    ("split", sa.JSON(none_as_null=True), None),
    ("skipped", sa.JSON(none_as_null=True), None),
)


def upgrade() -> None:
    for name, kind, value in _COLUMNS:
        op.add_column("datasets", sa.Column(name, kind, nullable=value is None, server_default=value))


def downgrade() -> None:
    for name, _, _ in reversed(_COLUMNS):
        op.drop_column("datasets", name)
