"""Every site has a colour: managers of the release before would write sites without one."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
kind = "contract"


def upgrade() -> None:
    """Demand the colour; the default for those who do not say it goes."""
    op.alter_column("sites", "colour", nullable=False, server_default=None)


def downgrade() -> None:
    """Let them be without one again."""
    op.alter_column("sites", "colour", nullable=True, server_default="grey")
