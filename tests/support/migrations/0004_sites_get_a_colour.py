"""Sites get a colour, of which managers of the release before know nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
kind = "expand"


def upgrade() -> None:
    """Add the column; what old managers write has the default."""
    op.add_column("sites", sa.Column("colour", sa.Text(), server_default="grey"))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("sites", "colour")
