"""API keys, owners of data sets and models, and the answers that an Idempotency-Key replays."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.add_column("models", sa.Column("owner", sa.Text(), nullable=False, server_default="admin"))
    op.create_index("ix_models_owner_id", "models", ["owner", "id"])
    op.create_index("ix_jobs_owner_id", "jobs", ["owner", "id"])
    with op.batch_alter_table("datasets") as batch:
        batch.add_column(sa.Column("owner", sa.Text(), nullable=False, server_default="admin"))
        batch.drop_constraint("uq_datasets_name", type_="unique")
        batch.create_unique_constraint("uq_datasets_owner_name", ["owner", "name"])


def downgrade() -> None:
    with op.batch_alter_table("datasets") as batch:
        batch.drop_constraint("uq_datasets_owner_name", type_="unique")
        batch.create_unique_constraint("uq_datasets_name", ["name"])
        batch.drop_column("owner")
    op.drop_index("ix_jobs_owner_id", "jobs")
    op.drop_index("ix_models_owner_id", "models")
    with op.batch_alter_table("models") as batch:
        batch.drop_column("owner")
    op.drop_index("ix_idempotency_keys_created_at", "idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("api_keys")
