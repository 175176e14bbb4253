"""Groups of users, and the permissions of roles."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
kind = "expand"

_TABLES = ("permission_state", "permissions", "user_groups", "group_members", "group_tenants")


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "permission_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("seeded", JSONB(none_as_null=True), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_permission_state_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_permission_state"),
    )
    op.create_table(
        "permissions",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["roles.name"], name="fk_permissions_role", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("role", "name", name="pk_permissions"),
    )
    op.create_table(
        "user_groups",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ldap_dn", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name="fk_user_groups_role"),
        sa.PrimaryKeyConstraint("id", name="pk_user_groups"),
        sa.UniqueConstraint("ldap_dn", name="uq_user_groups_ldap_dn"),
        sa.UniqueConstraint("name", name="uq_user_groups_name"),
    )
    op.create_table(
        "group_members",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["user_groups.id"], name="fk_group_members_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_group_members_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "group_id", name="pk_group_members"),
    )
    op.create_index("ix_group_members_group_id", "group_members", ["group_id"], unique=False)
    op.create_table(
        "group_tenants",
        sa.Column("group_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["user_groups.id"], name="fk_group_tenants_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name="fk_group_tenants_role"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_group_tenants_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("group_id", "tenant_id", name="pk_group_tenants"),
    )
    op.create_index("ix_group_tenants_tenant_id", "group_tenants", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Drop them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
