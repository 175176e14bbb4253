"""Deployments, their nodes and node instances."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Computed,
    ForeignKey,
    Identity,
    Index,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from manager.storage.models.base import Base, Resource


class Deployment(Resource):
    """A deployment of a blueprint; what the plan says is null until its environment is made."""

    __tablename__ = "deployments"

    display_name: Mapped[str]
    description: Mapped[str | None]
    updated_at: Mapped[datetime | None]
    blueprint_key: Mapped[int] = mapped_column(ForeignKey("blueprints.key"), index=True)
    site_key: Mapped[int | None] = mapped_column(
        ForeignKey("sites.key", ondelete="SET NULL"), index=True
    )
    inputs: Mapped[dict[str, Any] | None]
    groups: Mapped[dict[str, Any] | None]
    policy_types: Mapped[dict[str, Any] | None]
    policy_triggers: Mapped[dict[str, Any] | None]
    outputs: Mapped[dict[str, Any] | None]
    capabilities: Mapped[dict[str, Any] | None]
    scaling_groups: Mapped[dict[str, Any] | None]
    workflows: Mapped[dict[str, Any] | None]  # by name, as the plan has them
    # Deployments of one blueprint share these large documents; lists read each only once.
    workflows_hash: Mapped[str | None] = mapped_column(
        Computed("md5(workflows::text)", persisted=True)
    )
    policy_types_hash: Mapped[str | None] = mapped_column(
        Computed("md5(policy_types::text)", persisted=True)
    )
    policy_triggers_hash: Mapped[str | None] = mapped_column(
        Computed("md5(policy_triggers::text)", persisted=True)
    )
    resource_tags: Mapped[dict[str, Any] | None]
    runtime_only_evaluation: Mapped[bool] = mapped_column(server_default=text("false"))
    installation_status: Mapped[str | None]
    deployment_status: Mapped[str | None]
    sub_services_status: Mapped[str | None]
    sub_environments_status: Mapped[str | None]
    sub_services_count: Mapped[int] = mapped_column(server_default="0")
    sub_environments_count: Mapped[int] = mapped_column(server_default="0")
    create_execution_key: Mapped[int | None] = mapped_column(
        ForeignKey("executions.key", ondelete="SET NULL", use_alter=True), index=True
    )
    latest_execution_key: Mapped[int | None] = mapped_column(
        ForeignKey("executions.key", ondelete="SET NULL", use_alter=True), index=True
    )

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        """Return further constraints and indexes of the table."""
        return (Index(None, "tenant_id", "created_at"), Index(None, "display_name"))


class DeploymentLabel(Base):
    """One label of a deployment."""

    __tablename__ = "deployment_labels"

    key: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    deployment_key: Mapped[int] = mapped_column(ForeignKey("deployments.key", ondelete="CASCADE"))
    name: Mapped[str]
    value: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    creator_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    __table_args__ = (
        UniqueConstraint("deployment_key", "name", "value"),
        Index(None, "name", "value"),
    )


class Node(Resource):
    """A node of a deployment: `id` is its name in the blueprint, unique in the deployment."""

    __tablename__ = "nodes"

    deployment_key: Mapped[int] = mapped_column(ForeignKey("deployments.key", ondelete="CASCADE"))
    type: Mapped[str]
    type_hierarchy: Mapped[list[Any]]
    host_id: Mapped[str | None]
    number_of_instances: Mapped[int]
    planned_number_of_instances: Mapped[int]
    deploy_number_of_instances: Mapped[int]
    min_number_of_instances: Mapped[int]
    max_number_of_instances: Mapped[int]  # -1: no limit
    plugins: Mapped[list[Any] | None]
    plugins_to_install: Mapped[list[Any] | None]
    properties: Mapped[dict[str, Any] | None]
    relationships: Mapped[list[Any] | None]
    operations: Mapped[dict[str, Any] | None]

    @classmethod
    def identity(cls) -> tuple[Any, ...]:
        """Return what makes `id` unique: the deployment."""
        return (UniqueConstraint("deployment_key", "id"), Index(None, "tenant_id", "id"))


class NodeInstance(Resource):
    """An instance of a node; writers prove by `version` that they know its last state."""

    __tablename__ = "node_instances"

    node_key: Mapped[int] = mapped_column(ForeignKey("nodes.key", ondelete="CASCADE"), index=True)
    deployment_key: Mapped[int] = mapped_column(
        ForeignKey("deployments.key", ondelete="CASCADE"), index=True
    )
    host_id: Mapped[str | None]
    index: Mapped[int]
    relationships: Mapped[list[Any] | None]
    runtime_properties: Mapped[dict[str, Any] | None]
    system_properties: Mapped[dict[str, Any] | None]
    scaling_groups: Mapped[list[Any] | None]
    state: Mapped[str]
    version: Mapped[int] = mapped_column(server_default="1")
    has_configuration_drift: Mapped[bool] = mapped_column(server_default=text("false"))
    is_status_check_ok: Mapped[bool] = mapped_column(server_default=text("false"))


class DeploymentModification(Resource):
    """A change of a deployment's number of instances: started, then finished or rolled back."""

    __tablename__ = "deployment_modifications"

    deployment_key: Mapped[int] = mapped_column(
        ForeignKey("deployments.key", ondelete="CASCADE"), index=True
    )
    status: Mapped[str]
    ended_at: Mapped[datetime | None]
    context: Mapped[dict[str, Any] | None]
    modified_nodes: Mapped[dict[str, Any] | None]
    node_instances: Mapped[dict[str, Any] | None]


class InterDeploymentDependency(Resource):
    """That one deployment needs another: a component, a shared resource, a capability it reads."""

    __tablename__ = "inter_deployment_dependencies"

    dependency_creator: Mapped[str]
    source_deployment_key: Mapped[int | None] = mapped_column(
        ForeignKey("deployments.key", ondelete="CASCADE"), index=True
    )
    target_deployment_key: Mapped[int | None] = mapped_column(
        ForeignKey("deployments.key", ondelete="SET NULL"), index=True
    )
    target_deployment_func: Mapped[dict[str, Any] | None]
    external_source: Mapped[dict[str, Any] | None]
    external_target: Mapped[dict[str, Any] | None]
