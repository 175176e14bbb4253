"""Hashes of the large documents that deployments of one blueprint share."""

import sqlalchemy as sa
from alembic import op

revision = "0003_deployment_documents"
down_revision = "0002"
branch_labels = None
depends_on = None

_DOCUMENTS = ("workflows", "policy_types", "policy_triggers")


def upgrade() -> None:
    """Add a column that the database keeps right by itself for each document."""
    for name in _DOCUMENTS:
        computed = sa.Computed(f"md5({name}::text)", persisted=True)
        op.add_column("deployments", sa.Column(f"{name}_hash", sa.Text(), computed))


def downgrade() -> None:
    """Undo it."""
    for name in reversed(_DOCUMENTS):
        op.drop_column("deployments", f"{name}_hash")
