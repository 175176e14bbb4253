"""What a workflow's process is told about its execution: `__cloudify_context`."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from manager.services.execution_errors import NonexistentWorkflow
from manager.storage.models import (
    GLOBAL,
    Blueprint,
    Deployment,
    Execution,
    Manager,
    Plugin,
    Tenant,
    User,
)

REST_PORT = 53333  # nginx's, for agents and workers
SYSTEM_TASKS: Mapping[str, str] = {
    "upload_blueprint": "cloudify_system_workflows.blueprint.upload",
    "create_deployment_environment": "cloudify_system_workflows.deployment_environment.create",
    "delete_deployment_environment": "cloudify_system_workflows.deployment_environment.delete",
    "csys_update_deployment": "cloudify_system_workflows.deployment_environment.update_deployment",
    "update": "cloudify_system_workflows.deployment_update.workflow.update_deployment",
    "update_plugin": "cloudify_system_workflows.plugins.update",
    "uninstall_plugin": "cloudify_system_workflows.plugins.uninstall",
    "create_snapshot": "cloudify_system_workflows.snapshot.create",
    "restore_snapshot": "cloudify_system_workflows.snapshot.restore",
    "create_log_bundle": "cloudify_system_workflows.log_bundle.create",
}


def workflow_of(deployment: Deployment | None, workflow_id: str) -> Mapping[str, Any]:
    """Return a deployment's workflow, or the manager's own of that name, as plans have them.

    Raises NonexistentWorkflow.
    """
    declared = (deployment.workflows or {}) if deployment else {}
    if workflow_id in declared:
        found: Mapping[str, Any] = declared[workflow_id]
        return found
    if workflow_id in SYSTEM_TASKS:
        return {"operation": SYSTEM_TASKS[workflow_id]}
    if deployment is None:
        raise NonexistentWorkflow(f"The manager has no workflow {workflow_id} of its own")
    raise NonexistentWorkflow(
        f"Workflow {workflow_id} does not exist in deployment {deployment.id}"
    )


def workflow_context(session: Session, execution: Execution, token: str) -> dict[str, Any]:
    """Return the context of a workflow that is about to start."""
    creator, tenant = session.execute(
        select(User.username, Tenant.name)
        .join(Tenant, Tenant.id == execution.tenant_id)
        .where(User.id == execution.creator_id)
    ).one()
    deployment = None
    if execution.deployment_key is not None:
        deployment = session.get_one(Deployment, execution.deployment_key)
    workflow = workflow_of(deployment, execution.workflow_id)
    context = {
        "type": "workflow",
        "task_id": execution.id,
        "execution_id": execution.id,
        "task_name": workflow["operation"],
        "workflow_id": execution.workflow_id,
        "dry_run": execution.is_dry_run,
        "is_system_workflow": execution.is_system_workflow,
        "execution_creator_username": creator,
        "task_target": "cloudify.management",
        "tenant": {"name": tenant},
        "resume": execution.resume,
        "wait_after_fail": execution.wait_after_fail_s,
        "bypass_maintenance": execution.bypass_maintenance,
        "execution_token": token,
        "rest_token": token,
        "rest_host": rest_hosts(session),
        "rest_port": REST_PORT,
    }
    if deployment is not None:
        context |= _deployment_context(session, deployment)
        if plugin_name := workflow.get("plugin"):
            context["plugin"] = _plugin(session, deployment, plugin_name)
    return context


def rest_hosts(session: Session) -> list[str]:
    """Return the managers' addresses, which workflows and agents try in turn."""
    return list(session.scalars(select(Manager.private_ip).order_by(Manager.id)))


def _deployment_context(session: Session, deployment: Deployment) -> dict[str, Any]:
    row = session.execute(
        select(Blueprint.id, User.username)
        .join(User, User.id == deployment.creator_id)
        .where(Blueprint.key == deployment.blueprint_key)
    ).one()
    return {
        "deployment_id": deployment.id,
        "deployment_display_name": deployment.display_name,
        "deployment_creator": row.username,
        "deployment_resource_tags": deployment.resource_tags,
        "blueprint_id": row.id,
        "runtime_only_evaluation": deployment.runtime_only_evaluation,
    }


def _plugin(session: Session, deployment: Deployment, name: str) -> dict[str, Any]:
    """Return the plugin that a workflow is in, and the uploaded plugin that provides it."""
    declared = _declared_plugin(session, deployment.blueprint_key, name)
    plugin = {
        "name": name,
        "package_name": declared.get("package_name"),
        "package_version": declared.get("package_version"),
        "visibility": declared.get("visibility"),
        "tenant_name": declared.get("tenant_name"),
        "source": declared.get("source"),
        "properties": declared.get("properties") or {},
    }
    if plugin["package_name"] is not None:
        plugin |= _uploaded_plugin(session, deployment.tenant_id, declared)
    return plugin


def _declared_plugin(session: Session, blueprint_key: int, name: str) -> Mapping[str, Any]:
    # plans are megabytes: only this part leaves the database
    plugins = session.execute(
        select(Blueprint.plan["workflow_plugins_to_install"]).where(Blueprint.key == blueprint_key)
    ).scalar_one()
    return next((plugin for plugin in plugins or () if plugin["name"] == name), {})


def _uploaded_plugin(
    session: Session, tenant_id: int, declared: Mapping[str, Any]
) -> dict[str, Any]:
    row = session.execute(
        select(Plugin.visibility, Tenant.name.label("tenant_name"))
        .join(Tenant, Tenant.id == Plugin.tenant_id)
        .where(
            Plugin.package_name == declared["package_name"],
            Plugin.package_version == declared.get("package_version"),
            or_(Plugin.tenant_id == tenant_id, Plugin.visibility == GLOBAL),
        )
        .order_by(Plugin.tenant_id != tenant_id)
        .limit(1)
    ).one_or_none()
    return {} if row is None else {"visibility": row.visibility, "tenant_name": row.tenant_name}
