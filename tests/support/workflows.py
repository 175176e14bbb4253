"""Blueprints, deployments and their parts as rows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.services.authentication import Caller
from manager.storage.models import Blueprint, Deployment, Node, NodeInstance, Tenant, User

INSTALL = {
    "plugin": "default_workflows",
    "operation": "cloudify.plugins.workflows.install",
    "parameters": {"node_ids": {"default": []}, "type_names": {"default": []}},
    "is_cascading": False,
    "availability_rules": None,
}
PLAN = {
    "workflow_plugins_to_install": [
        {"name": "default_workflows", "package_name": None, "package_version": None}
    ]
}


def admin(session: Session, **values: Any) -> Caller:
    """Return the administrator in the default tenant."""
    user = session.scalars(select(User).where(User.username == "admin")).one()
    tenant = session.scalars(select(Tenant).where(Tenant.name == "default_tenant")).one()
    return Caller(
        user_id=user.id,
        username="admin",
        role="sys_admin",
        tenant_id=tenant.id,
        tenant=tenant.name,
        tenant_role="user",
        **values,
    )


def make_deployment(
    session: Session, name: str = "d1", *, workflows: Mapping[str, Any] | None = None
) -> Deployment:
    """Add a deployment of a blueprint of its own, with the workflow `install` unless told else."""
    who = admin(session)
    owned = {"tenant_id": who.tenant_id, "creator_id": who.user_id}
    blueprint = Blueprint(
        id=name, main_file_name="blueprint.yaml", plan=PLAN, state="uploaded", **owned
    )
    session.add(blueprint)
    session.flush()
    deployment = Deployment(
        id=name,
        display_name=name,
        visibility="tenant",
        blueprint_key=blueprint.key,
        workflows={"install": INSTALL} if workflows is None else dict(workflows),
        resource_tags={},
        **owned,
    )
    session.add(deployment)
    session.flush()
    session.refresh(deployment)
    return deployment


def make_instance(
    session: Session, deployment: Deployment, name: str = "vm", **values: Any
) -> NodeInstance:
    """Add a node with one instance."""
    owned = {"tenant_id": deployment.tenant_id, "creator_id": deployment.creator_id}
    node = Node(
        id=name,
        deployment_key=deployment.key,
        type="cloudify.nodes.Root",
        type_hierarchy=["cloudify.nodes.Root", *values.pop("types", [])],
        number_of_instances=1,
        planned_number_of_instances=1,
        deploy_number_of_instances=1,
        min_number_of_instances=1,
        max_number_of_instances=1,
        **owned,
    )
    session.add(node)
    session.flush()
    instance = NodeInstance(
        id=f"{deployment.id}_{name}_abc123",
        node_key=node.key,
        deployment_key=deployment.key,
        index=1,
        **{"state": "uninitialized", "runtime_properties": {}, **values},
        **owned,
    )
    session.add(instance)
    session.flush()
    session.refresh(instance)
    return instance
