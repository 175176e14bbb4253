"""Users, tenants, tokens, settings, the cluster's nodes and their reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
kind = "expand"

_TABLES = (
    "db_nodes",
    "managers",
    "node_reports",
    "provider_context",
    "rabbitmq_brokers",
    "roles",
    "tenants",
    "users",
    "config",
    "maintenance_mode",
    "tokens",
    "users_tenants",
)


def upgrade() -> None:
    """Create the tables of the first slice."""
    op.create_table(
        "db_nodes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("is_external", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_db_nodes"),
        sa.UniqueConstraint("host", name="uq_db_nodes_host"),
    )
    op.create_table(
        "managers",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column("private_ip", sa.Text(), nullable=False),
        sa.Column("public_ip", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("distribution", sa.Text(), nullable=False),
        sa.Column("distro_release", sa.Text(), nullable=False),
        sa.Column("fs_sync_node_id", sa.Text(), nullable=True),
        sa.Column("networks", JSONB(none_as_null=True), nullable=False),
        sa.Column("ca_cert_content", sa.Text(), nullable=True),
        sa.Column(
            "last_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name="pk_managers"),
        sa.UniqueConstraint("hostname", name="uq_managers_hostname"),
        sa.UniqueConstraint("private_ip", name="uq_managers_private_ip"),
    )
    op.create_table(
        "node_reports",
        sa.Column("node_type", sa.Text(), nullable=False),
        sa.Column("private_ip", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("node_name", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("reporting_freq_s", sa.Integer(), nullable=False),
        sa.Column("report", JSONB(none_as_null=True), nullable=False),
        sa.CheckConstraint(
            "node_type IN ('manager', 'db', 'broker')", name="ck_node_reports_node_type"
        ),
        sa.PrimaryKeyConstraint("node_type", "private_ip", name="pk_node_reports"),
    )
    op.create_table(
        "provider_context",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("context", JSONB(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provider_context"),
    )
    op.create_table(
        "rabbitmq_brokers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("management_host", sa.Text(), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("params", JSONB(none_as_null=True), nullable=True),
        sa.Column("networks", JSONB(none_as_null=True), nullable=False),
        sa.Column("is_external", sa.Boolean(), nullable=False),
        sa.Column("ca_cert_content", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_rabbitmq_brokers"),
        sa.UniqueConstraint("host", name="uq_rabbitmq_brokers_host"),
    )
    op.create_table(
        "roles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("type IN ('system_role', 'tenant_role')", name="ck_roles_type"),
        sa.PrimaryKeyConstraint("name", name="pk_roles"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rabbitmq_username", sa.Text(), nullable=True),
        sa.Column("rabbitmq_password", sa.Text(), nullable=True),
        sa.Column("rabbitmq_vhost", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tenants"),
        sa.UniqueConstraint("name", name="uq_tenants_name"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "is_bootstrap_admin", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column(
            "show_getting_started", sa.Boolean(), server_default=sa.text("true"), nullable=False
        ),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("first_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failed_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_logins", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name="fk_users_role"),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "config",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", JSONB(), nullable=False),
        sa.Column("schema", JSONB(none_as_null=True), nullable=True),
        sa.Column("is_editable", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("admin_only", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updater_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["updater_id"], ["users.id"], name="fk_config_updater_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("scope", "name", name="pk_config"),
    )
    op.create_table(
        "maintenance_mode",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.CheckConstraint("id = 1", name="ck_maintenance_mode_one_row"),
        sa.ForeignKeyConstraint(
            ["requested_by"],
            ["users.id"],
            name="fk_maintenance_mode_requested_by",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_maintenance_mode"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("sealed_value", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_tokens_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)
    op.create_table(
        "users_tenants",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["role"], ["roles.name"], name="fk_users_tenants_role"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_users_tenants_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_users_tenants_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "tenant_id", name="pk_users_tenants"),
    )
    op.create_index("ix_users_tenants_tenant_id", "users_tenants", ["tenant_id"], unique=False)


def downgrade() -> None:
    """Drop them again."""
    for table in reversed(_TABLES):
        op.drop_table(table)
