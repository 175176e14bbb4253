"""Blueprints, deployments, executions, plugins, secrets: what tenants own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
kind = "expand"

_TABLES = (
    "blueprints",
    "plugins",
    "secrets",
    "sites",
    "blueprint_labels",
    "deployments",
    "plugin_states",
    "deployment_labels",
    "deployment_modifications",
    "executions",
    "inter_deployment_dependencies",
    "nodes",
    "events",
    "node_instances",
    "tasks_graphs",
    "operations",
    "folder_writes",
)
_TO_EXECUTIONS = (
    ("blueprints", "upload_execution_key"),
    ("deployments", "create_execution_key"),
    ("deployments", "latest_execution_key"),
)

# Who waits for the end of an execution is told by the database, whichever manager ends it.
_TELL_OF_ENDS = """
CREATE FUNCTION tell_of_execution_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('execution_ended', NEW.key::text);
    RETURN NULL;
END $$;
CREATE TRIGGER execution_ended AFTER UPDATE OF status ON executions FOR EACH ROW
WHEN (NEW.status IN ('terminated', 'failed', 'cancelled') AND OLD.status <> NEW.status)
EXECUTE FUNCTION tell_of_execution_end();
"""


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "folder_writes",
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("hostname", sa.Text(), nullable=False),
        sa.Column(
            "written_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("folder", "hostname", name="pk_folder_writes"),
    )
    op.create_table(
        "blueprints",
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("main_file_name", sa.Text(), nullable=True),
        sa.Column("plan", JSONB(none_as_null=True), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("error_traceback", sa.Text(), nullable=True),
        sa.Column(
            "requirements",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("upload_execution_key", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_blueprints_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_blueprints_creator_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_blueprints_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_blueprints"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_blueprints_tenant_id_id"),
    )
    op.create_index("ix_blueprints_creator_id", "blueprints", ["creator_id"])
    op.create_index(
        "ix_blueprints_upload_execution_key",
        "blueprints",
        ["upload_execution_key"],
        unique=False,
    )
    op.create_table(
        "plugins",
        sa.Column("archive_name", sa.Text(), nullable=False),
        sa.Column("package_name", sa.Text(), nullable=False),
        sa.Column("package_version", sa.Text(), nullable=True),
        sa.Column("package_source", sa.Text(), nullable=True),
        sa.Column("distribution", sa.Text(), nullable=True),
        sa.Column("distribution_version", sa.Text(), nullable=True),
        sa.Column("distribution_release", sa.Text(), nullable=True),
        sa.Column("supported_platform", sa.Text(), nullable=True),
        sa.Column(
            "supported_py_versions",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("yaml_names", JSONB(none_as_null=True), nullable=True),
        sa.Column("wheels", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "excluded_wheels",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "uploaded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column(
            "blueprint_labels",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("labels", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "resource_tags",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_plugins_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_plugins_creator_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_plugins_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_plugins"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_plugins_tenant_id_id"),
    )
    op.create_index("ix_plugins_creator_id", "plugins", ["creator_id"])
    op.create_index(
        "ix_plugins_package_name_package_version",
        "plugins",
        ["package_name", "package_version"],
        unique=False,
    )
    op.create_table(
        "secrets",
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("is_hidden_value", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("schema", JSONB(none_as_null=True), nullable=True),
        sa.Column("provider_name", sa.Text(), nullable=True),
        sa.Column("provider_options", sa.Text(), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_secrets_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_secrets_creator_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_secrets_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_secrets"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_secrets_tenant_id_id"),
    )
    op.create_index("ix_secrets_creator_id", "secrets", ["creator_id"])
    op.create_table(
        "sites",
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_sites_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_sites_creator_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_sites_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_sites"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_sites_tenant_id_id"),
    )
    op.create_index("ix_sites_creator_id", "sites", ["creator_id"])
    op.create_table(
        "blueprint_labels",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("blueprint_key", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["blueprint_key"],
            ["blueprints.key"],
            name="fk_blueprint_labels_blueprint_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name="fk_blueprint_labels_creator_id"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_blueprint_labels"),
        sa.UniqueConstraint(
            "blueprint_key",
            "name",
            "value",
            name="uq_blueprint_labels_blueprint_key_name_value",
        ),
    )
    op.create_index("ix_blueprint_labels_name_value", "blueprint_labels", ["name", "value"])
    op.create_table(
        "deployments",
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("blueprint_key", sa.BigInteger(), nullable=False),
        sa.Column("site_key", sa.BigInteger(), nullable=True),
        sa.Column("inputs", JSONB(none_as_null=True), nullable=True),
        sa.Column("groups", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "policy_types",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "policy_triggers",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("outputs", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "capabilities",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "scaling_groups",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("workflows", JSONB(none_as_null=True), nullable=True),
        *(
            sa.Column(
                f"{name}_hash",
                sa.Text(),
                sa.Computed(f"md5({name}::text)", persisted=True),
                nullable=True,
            )
            for name in ("workflows", "policy_types", "policy_triggers")
        ),
        sa.Column(
            "resource_tags",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "runtime_only_evaluation", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("installation_status", sa.Text(), nullable=True),
        sa.Column("deployment_status", sa.Text(), nullable=True),
        sa.Column("sub_services_status", sa.Text(), nullable=True),
        sa.Column("sub_environments_status", sa.Text(), nullable=True),
        sa.Column("sub_services_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sub_environments_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("create_execution_key", sa.BigInteger(), nullable=True),
        sa.Column("latest_execution_key", sa.BigInteger(), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_deployments_visibility"
        ),
        sa.ForeignKeyConstraint(
            ["blueprint_key"], ["blueprints.key"], name="fk_deployments_blueprint_key"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_deployments_creator_id"),
        sa.ForeignKeyConstraint(
            ["site_key"], ["sites.key"], name="fk_deployments_site_key", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_deployments_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_deployments"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_deployments_tenant_id_id"),
    )
    op.create_index("ix_deployments_blueprint_key", "deployments", ["blueprint_key"])
    op.create_index(
        "ix_deployments_create_execution_key",
        "deployments",
        ["create_execution_key"],
        unique=False,
    )
    op.create_index("ix_deployments_creator_id", "deployments", ["creator_id"])
    op.create_index("ix_deployments_display_name", "deployments", ["display_name"])
    op.create_index(
        "ix_deployments_latest_execution_key",
        "deployments",
        ["latest_execution_key"],
        unique=False,
    )
    op.create_index("ix_deployments_site_key", "deployments", ["site_key"])
    op.create_index(
        "ix_deployments_tenant_id_created_at",
        "deployments",
        ["tenant_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "plugin_states",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("plugin_key", sa.BigInteger(), nullable=False),
        sa.Column("manager_id", sa.Integer(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["manager_id"],
            ["managers.id"],
            name="fk_plugin_states_manager_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["plugin_key"],
            ["plugins.key"],
            name="fk_plugin_states_plugin_key",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_plugin_states"),
        sa.UniqueConstraint(
            "plugin_key",
            "manager_id",
            "agent_name",
            name="uq_plugin_states_plugin_key_manager_id_agent_name",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_plugin_states_manager_id", "plugin_states", ["manager_id"])
    op.create_table(
        "deployment_labels",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name="fk_deployment_labels_creator_id"
        ),
        sa.ForeignKeyConstraint(
            ["deployment_key"],
            ["deployments.key"],
            name="fk_deployment_labels_deployment_key",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_deployment_labels"),
        sa.UniqueConstraint(
            "deployment_key",
            "name",
            "value",
            name="uq_deployment_labels_deployment_key_name_value",
        ),
    )
    op.create_index(
        "ix_deployment_labels_name_value",
        "deployment_labels",
        ["name", "value"],
        unique=False,
    )
    op.create_table(
        "deployment_modifications",
        sa.Column("deployment_key", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("context", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "modified_nodes",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "node_instances",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')",
            name="ck_deployment_modifications_visibility",
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name="fk_deployment_modifications_creator_id"
        ),
        sa.ForeignKeyConstraint(
            ["deployment_key"],
            ["deployments.key"],
            name="fk_deployment_modifications_deployment_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name="fk_deployment_modifications_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_deployment_modifications"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_deployment_modifications_tenant_id_id"),
    )
    op.create_index(
        "ix_deployment_modifications_creator_id",
        "deployment_modifications",
        ["creator_id"],
        unique=False,
    )
    op.create_index(
        "ix_deployment_modifications_deployment_key",
        "deployment_modifications",
        ["deployment_key"],
        unique=False,
    )
    op.create_table(
        "executions",
        sa.Column("deployment_key", sa.BigInteger(), nullable=True),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("parameters", JSONB(none_as_null=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column(
            "is_system_workflow", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("is_dry_run", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "allow_custom_parameters", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("resume", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "bypass_maintenance", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("wait_after_fail_s", sa.Integer(), server_default="600", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("total_operations", sa.Integer(), server_default="0", nullable=True),
        sa.Column("finished_operations", sa.Integer(), server_default="0", nullable=True),
        sa.Column("token_hash", sa.Text(), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("owner_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_executions_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_executions_creator_id"),
        sa.ForeignKeyConstraint(
            ["deployment_key"],
            ["deployments.key"],
            name="fk_executions_deployment_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_executions_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_executions"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_executions_tenant_id_id"),
        sa.UniqueConstraint("token_hash", name="uq_executions_token_hash"),
    )
    op.create_index("ix_executions_creator_id", "executions", ["creator_id"])
    op.create_index("ix_executions_deployment_key", "executions", ["deployment_key"])
    op.create_index(
        "ix_executions_owner",
        "executions",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("owner IS NOT NULL"),
    )
    op.create_index(
        "ix_executions_tenant_id_created_at",
        "executions",
        ["tenant_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_executions_unfinished",
        "executions",
        ["status"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('terminated', 'failed', 'cancelled')"),
    )
    op.create_table(
        "inter_deployment_dependencies",
        sa.Column("dependency_creator", sa.Text(), nullable=False),
        sa.Column("source_deployment_key", sa.BigInteger(), nullable=True),
        sa.Column("target_deployment_key", sa.BigInteger(), nullable=True),
        sa.Column(
            "target_deployment_func",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "external_source",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "external_target",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')",
            name="ck_inter_deployment_dependencies_visibility",
        ),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["users.id"], name="fk_inter_deployment_dependencies_creator_id"
        ),
        sa.ForeignKeyConstraint(
            ["source_deployment_key"],
            ["deployments.key"],
            name="fk_inter_deployment_dependencies_source_deployment_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["target_deployment_key"],
            ["deployments.key"],
            name="fk_inter_deployment_dependencies_target_deployment_key",
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name="fk_inter_deployment_dependencies_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_inter_deployment_dependencies"),
        sa.UniqueConstraint(
            "tenant_id", "id", name="uq_inter_deployment_dependencies_tenant_id_id"
        ),
    )
    op.create_index(
        "ix_inter_deployment_dependencies_creator_id",
        "inter_deployment_dependencies",
        ["creator_id"],
        unique=False,
    )
    op.create_index(
        "ix_inter_deployment_dependencies_source_deployment_key",
        "inter_deployment_dependencies",
        ["source_deployment_key"],
        unique=False,
    )
    op.create_index(
        "ix_inter_deployment_dependencies_target_deployment_key",
        "inter_deployment_dependencies",
        ["target_deployment_key"],
        unique=False,
    )
    op.create_table(
        "nodes",
        sa.Column("deployment_key", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "type_hierarchy",
            JSONB(none_as_null=True),
            nullable=False,
        ),
        sa.Column("host_id", sa.Text(), nullable=True),
        sa.Column("number_of_instances", sa.Integer(), nullable=False),
        sa.Column("planned_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("deploy_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("min_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("max_number_of_instances", sa.Integer(), nullable=False),
        sa.Column("plugins", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "plugins_to_install",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("properties", JSONB(none_as_null=True), nullable=True),
        sa.Column(
            "relationships",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("operations", JSONB(none_as_null=True), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_nodes_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_nodes_creator_id"),
        sa.ForeignKeyConstraint(
            ["deployment_key"],
            ["deployments.key"],
            name="fk_nodes_deployment_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_nodes_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_nodes"),
        sa.UniqueConstraint("deployment_key", "id", name="uq_nodes_deployment_key_id"),
    )
    op.create_index("ix_nodes_creator_id", "nodes", ["creator_id"])
    op.create_index("ix_nodes_tenant_id_id", "nodes", ["tenant_id", "id"])
    op.create_table(
        "events",
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("execution_key", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "reported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("message_code", sa.Text(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=True),
        sa.Column("logger", sa.Text(), nullable=True),
        sa.Column("operation", sa.Text(), nullable=True),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column(
            "error_causes",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("manager_name", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('cloudify_event', 'cloudify_log')", name="ck_events_kind"),
        sa.ForeignKeyConstraint(
            ["execution_key"],
            ["executions.key"],
            name="fk_events_execution_key",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_events"),
    )
    op.create_index(
        "ix_events_execution_key_reported_at",
        "events",
        ["execution_key", "reported_at"],
        unique=False,
    )
    op.create_index("ix_events_tenant_id_timestamp", "events", ["tenant_id", "timestamp"])
    op.create_table(
        "node_instances",
        sa.Column("node_key", sa.BigInteger(), nullable=False),
        sa.Column("deployment_key", sa.BigInteger(), nullable=False),
        sa.Column("host_id", sa.Text(), nullable=True),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column(
            "relationships",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "runtime_properties",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "system_properties",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column(
            "scaling_groups",
            JSONB(none_as_null=True),
            nullable=True,
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "has_configuration_drift", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column(
            "is_status_check_ok", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')",
            name="ck_node_instances_visibility",
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_node_instances_creator_id"),
        sa.ForeignKeyConstraint(
            ["deployment_key"],
            ["deployments.key"],
            name="fk_node_instances_deployment_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["node_key"], ["nodes.key"], name="fk_node_instances_node_key", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name="fk_node_instances_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_node_instances"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_node_instances_tenant_id_id"),
    )
    op.create_index("ix_node_instances_creator_id", "node_instances", ["creator_id"])
    op.create_index("ix_node_instances_deployment_key", "node_instances", ["deployment_key"])
    op.create_index("ix_node_instances_node_key", "node_instances", ["node_key"])
    op.create_table(
        "tasks_graphs",
        sa.Column("execution_key", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_tasks_graphs_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_tasks_graphs_creator_id"),
        sa.ForeignKeyConstraint(
            ["execution_key"],
            ["executions.key"],
            name="fk_tasks_graphs_execution_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name="fk_tasks_graphs_tenant_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_tasks_graphs"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_tasks_graphs_tenant_id_id"),
    )
    op.create_index("ix_tasks_graphs_creator_id", "tasks_graphs", ["creator_id"])
    op.create_index("ix_tasks_graphs_execution_key", "tasks_graphs", ["execution_key"])
    op.create_table(
        "operations",
        sa.Column("tasks_graph_key", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "dependencies",
            JSONB(none_as_null=True),
            nullable=False,
        ),
        sa.Column("parameters", JSONB(none_as_null=True), nullable=False),
        sa.Column("manager_name", sa.Text(), nullable=True),
        sa.Column("agent_name", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("owner_seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("creator_id", sa.Integer(), nullable=False),
        sa.Column("visibility", sa.Text(), server_default="tenant", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "visibility IN ('private', 'tenant', 'global')", name="ck_operations_visibility"
        ),
        sa.ForeignKeyConstraint(["creator_id"], ["users.id"], name="fk_operations_creator_id"),
        sa.ForeignKeyConstraint(
            ["tasks_graph_key"],
            ["tasks_graphs.key"],
            name="fk_operations_tasks_graph_key",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_operations_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_operations"),
        sa.UniqueConstraint("tenant_id", "id", name="uq_operations_tenant_id_id"),
    )
    op.create_index("ix_operations_creator_id", "operations", ["creator_id"])
    op.create_index("ix_operations_tasks_graph_key", "operations", ["tasks_graph_key"])
    op.create_index(
        "ix_operations_owner",
        "operations",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("owner IS NOT NULL"),
    )
    for table, column in _TO_EXECUTIONS:  # executions refer to deployments as well
        op.create_foreign_key(
            f"fk_{table}_{column}", table, "executions", [column], ["key"], ondelete="SET NULL"
        )
    op.execute(_TELL_OF_ENDS)


def downgrade() -> None:
    """Drop the tables."""
    for table, column in _TO_EXECUTIONS:
        op.drop_constraint(f"fk_{table}_{column}", table)
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DROP FUNCTION tell_of_execution_end")
