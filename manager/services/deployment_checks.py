"""What must hold before a deployment is created or deleted."""

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from manager.services.authentication import Caller
from manager.services.deployment_errors import (
    DependentExists,
    DeploymentCreationFailed,
    MissingRequiredInput,
    PluginNotFound,
    UnknownInput,
)
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.services.visibility import IllegalVisibility, is_wider
from manager.storage.models import (
    Blueprint,
    Deployment,
    Execution,
    InterDeploymentDependency,
    Node,
    NodeInstance,
    Plugin,
    Site,
)
from manager.storage.scope import readable

logger = logging.getLogger(__name__)

_PLUGIN_LISTS = ("deployment_plugins_to_install", "workflow_plugins_to_install")
_PLUGIN_COLUMNS = (
    "package_version",
    "distribution",
    "distribution_version",
    "distribution_release",
    "supported_platform",
)


def check_blueprint_is_ready(blueprint: Blueprint) -> None:
    """Raise DeploymentCreationFailed unless the blueprint is uploaded."""
    if blueprint.state != "uploaded":
        raise DeploymentCreationFailed(
            "Unable to create a deployment based on a blueprint which is not `uploaded` but: "
            f"`{blueprint.state}`"
        )


def check_inputs(plan: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Raise MissingRequiredInput or UnknownInput when inputs are not those of the plan.

    Their types and constraints are checked by the workflow, which evaluates the plan.
    """
    declared: Mapping[str, Any] = plan.get("inputs") or {}
    required = {name for name, spec in declared.items() if _is_required(spec)}
    if missing := sorted(required - inputs.keys()):
        raise MissingRequiredInput(f"missing inputs: {', '.join(missing)}")
    if unknown := sorted(inputs.keys() - declared.keys()):
        raise UnknownInput(f"Cannot create deployment - unknown inputs: {', '.join(unknown)}")


def check_site(deployment_id: str, visibility: str, site: Site) -> None:
    """Raise IllegalVisibility when more users see the deployment than its site."""
    if is_wider(visibility, site.visibility):
        raise IllegalVisibility(
            f"The visibility of deployment `{deployment_id}`: `{visibility}` can't be wider than "
            f"the visibility of its site `{site.id}`: `{site.visibility}`"
        )


def check_plugins(session: Session, caller: Caller, plan: Mapping[str, Any]) -> None:
    """Raise PluginNotFound for a plugin that the plan needs and the manager lacks."""
    for plugin in _needed_plugins(plan):
        query = select(Plugin.key).where(
            readable(Plugin, caller), Plugin.package_name == plugin["package_name"]
        )
        for name in _PLUGIN_COLUMNS:
            if plugin.get(name):
                query = query.where(getattr(Plugin, name) == plugin[name])
        if session.scalar(query.limit(1)) is None:
            raise PluginNotFound(
                f"Required plugin {plugin['package_name']}, version "
                f"{plugin.get('package_version') or '`any`'} is not installed on the manager"
            )


def check_nothing_depends(
    session: Session,
    deployment: Deployment,
    *,
    force: bool = False,
    recursive: bool = False,
    **_others: bool,
) -> None:
    """Raise DependentExists while executions, deployments or live nodes need the deployment.

    `force` overrules deployments and nodes; `recursive` means that services below it go as well.
    """
    _check_executions(session, deployment)
    dependents = _dependents(session, deployment)
    if dependents and force:
        logger.warning("deleting %s though %s depend on it", deployment.id, dependents)
    elif dependents:
        listed = "\n".join(f"  [{n}] {line}" for n, line in enumerate(dependents, start=1))
        raise DependentExists(
            f"Can't delete deployment {deployment.id} - the following existing installations "
            f"depend on it:\n{listed}"
        )
    _check_environment_is_empty(deployment, force=force or recursive)
    if not force:
        _check_live_nodes(session, deployment)


def _is_required(spec: object) -> bool:
    return not isinstance(spec, Mapping) or (
        "default" not in spec and spec.get("required", True) is not False
    )


def _needed_plugins(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _PLUGIN_LISTS:
        for plugin in plan.get(name) or ():
            if plugin.get("install") and plugin.get("package_name") and not plugin.get("source"):
                yield plugin


def _check_executions(session: Session, deployment: Deployment) -> None:
    unfinished = sorted(ACTIVE | {ExecutionStatus.QUEUED})
    running = session.scalars(
        select(Execution.id).where(
            Execution.deployment_key == deployment.key, Execution.status.in_(unfinished)
        )
    ).all()
    if running:
        raise DependentExists(
            f"Can't delete deployment {deployment.id} - There are running or queued executions "
            f"for this deployment. Running executions ids: {', '.join(running)}"
        )


def _dependents(session: Session, deployment: Deployment) -> list[str]:
    source = aliased(Deployment)
    query = (
        select(InterDeploymentDependency.dependency_creator, source.id)
        .outerjoin(source, source.key == InterDeploymentDependency.source_deployment_key)
        .where(
            InterDeploymentDependency.target_deployment_key == deployment.key,
            InterDeploymentDependency.source_deployment_key.is_distinct_from(deployment.key),
        )
        .order_by(InterDeploymentDependency.key)
    )
    return [_dependent_line(creator, source_id) for creator, source_id in session.execute(query)]


def _dependent_line(creator: str, source_id: str | None) -> str:
    kind, _, name = creator.partition(".")
    reasons = {
        "component": f"contains component `{name}`",
        "sharedresource": f"uses a shared resource through `{name}`",
    }
    reason = reasons.get(kind, "uses capabilities")
    return f"Deployment `{source_id or 'of another manager'}` {reason}"


def _check_environment_is_empty(deployment: Deployment, *, force: bool) -> None:
    services = deployment.sub_services_count + deployment.sub_environments_count
    if services and not force:
        raise DependentExists(
            f"Can't delete deployment {deployment.id} - {services} deployment(s) are within it as "
            "their environment"
        )


def _check_live_nodes(session: Session, deployment: Deployment) -> None:
    live = session.scalars(
        select(NodeInstance.id)
        .join(Node, Node.key == NodeInstance.node_key)
        .where(
            NodeInstance.deployment_key == deployment.key,
            NodeInstance.state.not_in(["uninitialized", "deleted"]),
        )
        .order_by(NodeInstance.id)
    ).all()
    if live:
        raise DependentExists(
            f"Can't delete deployment {deployment.id} - There are live nodes for this deployment. "
            f"Live nodes ids: {','.join(live)}"
        )
