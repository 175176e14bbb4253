"""Deployments made as workflows make them: through the REST service."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from manager.services.execution_life import finish
from manager.services.execution_status import ExecutionStatus
from manager.storage.database import Database
from manager.storage.models import Blueprint, Deployment, Execution, Tenant, User
from tests.support.manager_app import Api

WORKFLOWS = {
    "install": {
        "plugin": "default_workflows",
        "operation": "cloudify.plugins.workflows.install",
        "parameters": {"node_ids": {"default": []}},
        "is_cascading": False,
        "availability_rules": {"node_instances_active": ["none", "partial"]},
    },
    "uninstall": {
        "plugin": "default_workflows",
        "operation": "cloudify.plugins.workflows.uninstall",
        "parameters": {},
        "is_cascading": False,
        "availability_rules": {"node_instances_active": ["all", "partial"]},
    },
}
PLAN: dict[str, Any] = {
    "inputs": {"port": {"default": 80}, "zone": {"default": "north"}},
    "deployment_plugins_to_install": [],
    "workflow_plugins_to_install": [],
}
ATTRIBUTES: dict[str, Any] = {
    "description": "a web server",
    "workflows": WORKFLOWS,
    "inputs": {"port": 8080, "zone": "north"},
    "policy_types": {"threshold": {"properties": {}}},
    "policy_triggers": {},
    "groups": {},
    "scaling_groups": {},
    "outputs": {"endpoint": {"value": {"concat": ["http://", {"get_attribute": ["web", "ip"]}]}}},
    "capabilities": {"ip": {"value": {"get_attribute": ["web", "ip"]}}},
    "labels": [],
    "resource_tags": {},
}


def node(node_id: str, **further: Any) -> dict[str, Any]:
    """Return a node as a deployment plan has it."""
    counts = {
        "min_instances": 0,
        "max_instances": -1,
        "default_instances": 1,
        "current_instances": 1,
        "planned_instances": 1,
    }
    return {
        "id": node_id,
        "name": node_id,
        "type": "cloudify.nodes.WebServer",
        "type_hierarchy": ["cloudify.nodes.Root", "cloudify.nodes.WebServer"],
        "capabilities": {"scalable": {"properties": counts}},
        "properties": {},
        "operations": {},
        "plugins": [],
        "relationships": [],
        "host_id": None,
        **further,
    }


def relationship(target_id: str, kind: str = "cloudify.relationships.connected_to") -> Any:
    """Return a relationship of a node as a plan has it."""
    return {
        "target_id": target_id,
        "type": kind,
        "type_hierarchy": ["cloudify.relationships.depends_on", kind],
        "properties": {},
        "source_operations": {},
        "target_operations": {},
    }


def add_blueprint(
    database: Database, name: str = "bp", plan: Mapping[str, Any] = PLAN, **columns: Any
) -> None:
    """Add an uploaded blueprint of the administrator to the default tenant."""
    with database.session() as session:
        tenant = columns.pop("tenant", "default_tenant")
        session.add(
            Blueprint(
                id=name,
                tenant_id=session.scalar(select(Tenant.id).where(Tenant.name == tenant)),
                creator_id=session.scalar(select(User.id).where(User.username == "admin")),
                main_file_name="blueprint.yaml",
                plan=dict(plan),
                **{"state": "uploaded", **columns},
            )
        )


def end_creation(
    database: Database,
    deployment_id: str,
    status: ExecutionStatus = ExecutionStatus.TERMINATED,
    error: str | None = None,
) -> None:
    """End the workflow that makes a deployment's environment, as the worker does."""
    with database.session() as session:
        key = session.scalars(
            select(Execution.key)
            .join(Deployment, Deployment.create_execution_key == Execution.key)
            .where(Deployment.id == deployment_id)
        ).one()
        finish(session, key, status, error)


def make_deployment(
    api: Api,
    database: Database,
    deployment_id: str = "d1",
    *,
    nodes: list[Any] | None = None,
    blueprint_id: str = "bp",
    **attributes: Any,
) -> None:
    """Create a deployment with its environment: one instance `<node>_1` of each node."""
    nodes = [node("web")] if nodes is None else nodes
    body = {"blueprint_id": blueprint_id, "skip_plugins_validation": True}
    path = f"/deployments/{deployment_id}"
    _expect(api, 201, "PUT", f"{path}?async_create=true", body)
    _expect(api, 200, "PATCH", path, {**ATTRIBUTES, **attributes})
    _expect(api, 201, "POST", "/nodes", {"deployment_id": deployment_id, "nodes": nodes})
    instances = [instance(deployment_id, item) for item in nodes]
    _expect(
        api,
        201,
        "POST",
        "/node-instances",
        {"deployment_id": deployment_id, "node_instances": instances},
    )
    end_creation(database, deployment_id)


def instance(deployment_id: str, item: Mapping[str, Any], number: int = 1) -> dict[str, Any]:
    """Return an instance of a node as a deployment plan has it."""
    relationships = [
        {
            "type": one["type"],
            "target_name": one["target_id"],
            "target_id": f"{one['target_id']}_{deployment_id}_1",
        }
        for one in item["relationships"]
    ]
    return {
        "id": f"{item['id']}_{deployment_id}_{number}",
        "name": item["id"],
        "node_id": item["id"],
        "relationships": relationships,
    }


def _expect(api: Api, status: int, method: str, path: str, body: Any) -> None:
    reply = api.call(method, path, json=body)
    assert reply.status_code == status, reply.text
