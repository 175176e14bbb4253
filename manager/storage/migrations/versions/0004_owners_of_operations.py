"""Which worker runs an operation, and when it was last alive."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and what a worker's renewal looks up."""
    op.add_column("operations", sa.Column("owner", sa.Text(), nullable=True))
    op.add_column(
        "operations", sa.Column("owner_seen_at", sa.DateTime(timezone=True), nullable=True)
    )
    for table in ("executions", "operations"):
        op.create_index(
            f"ix_{table}_owner", table, ["owner"], postgresql_where=sa.text("owner IS NOT NULL")
        )


def downgrade() -> None:
    """Drop them."""
    for table in ("operations", "executions"):
        op.drop_index(f"ix_{table}_owner", table)
    op.drop_column("operations", "owner_seen_at")
    op.drop_column("operations", "owner")
