"""Create, change and delete deployments; their environments are made by workflows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudify.models_states import DeploymentState
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict
from manager.services.authentication import Caller
from manager.services.deployment_checks import (
    check_blueprint_is_ready,
    check_inputs,
    check_nothing_depends,
    check_plugins,
    check_site,
)
from manager.services.deployment_tree import check_parents, parent_keys, recalculate
from manager.services.executions import StartOptions, start_system_workflow
from manager.services.labels import PARENT, Label, parse_labels, replace_labels
from manager.services.resources import find, find_to_change
from manager.services.visibility import (
    IllegalVisibility,
    check_is_free,
    is_wider,
    widen,
)
from manager.storage.models import (
    GLOBAL,
    Blueprint,
    Deployment,
    DeploymentLabel,
    DeploymentModification,
    Execution,
    Node,
    NodeInstance,
    Site,
)

_DOCUMENTS = (
    "workflows",
    "inputs",
    "policy_types",
    "policy_triggers",
    "groups",
    "scaling_groups",
    "outputs",
    "capabilities",
    "resource_tags",
)
_TEXTS = ("description", "display_name")
_PARTS = (Node, NodeInstance, Execution, DeploymentModification)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """What a new deployment is to be."""

    deployment_id: str
    blueprint_id: str
    inputs: Mapping[str, Any]
    labels: tuple[Label, ...] = ()
    visibility: str | None = None
    display_name: str | None = None
    site_name: str | None = None
    skip_plugins_validation: bool = False
    runtime_only_evaluation: bool = False
    bypass_maintenance: bool = False


def create_deployment(session: Session, caller: Caller, request: DeploymentRequest) -> Execution:
    """Create a deployment and start the workflow that makes its environment; return that.

    Raises what is wrong with the request, or Conflict when the id is taken.
    """
    tenant_id = caller.require_tenant()
    blueprint = find(session, caller, Blueprint, request.blueprint_id)
    check_blueprint_is_ready(blueprint)
    visibility = _visibility(request, blueprint)
    site = find(session, caller, Site, request.site_name) if request.site_name else None
    if site is not None:
        check_site(request.deployment_id, visibility, site)
    _forget_failed(session, caller, request.deployment_id)
    check_is_free(session, Deployment, tenant_id, request.deployment_id)
    plan = blueprint.plan or {}
    if not request.skip_plugins_validation:
        check_plugins(session, caller, plan)
    check_inputs(plan, request.inputs)
    deployment = Deployment(
        id=request.deployment_id,
        display_name=request.display_name or request.deployment_id,
        tenant_id=tenant_id,
        creator_id=caller.user_id,
        visibility=visibility,
        blueprint_key=blueprint.key,
        site_key=site.key if site else None,
        runtime_only_evaluation=request.runtime_only_evaluation,
    )
    session.add(deployment)
    session.flush()
    return _start_creation(session, caller, deployment, request)


def set_attributes(
    session: Session,
    deployment: Deployment,
    changes: Mapping[str, Any],
    *,
    may_replace: bool = False,
) -> None:
    """Write what the plan says of a deployment: each attribute once, unless it is an update's.

    Raises Conflict for an attribute that is set already.
    """
    for name in (*_DOCUMENTS, *_TEXTS):
        if name not in changes:
            continue
        value = changes[name]
        wanted: type = dict if name in _DOCUMENTS else str
        if value is not None and not isinstance(value, wanted):
            raise BadParameters(f"`{name}` of a deployment must be of type {wanted.__name__}")
        if name != "display_name" and getattr(deployment, name) is not None and not may_replace:
            raise Conflict(f"{name} is already set")
        if name == "display_name" and not value:
            raise BadParameters("The `display_name` argument is empty")
        setattr(deployment, name, value)
    if "inputs" not in changes and changes.keys() <= {"display_name", "labels"}:
        deployment.updated_at = func.now()


def set_labels(
    session: Session, deployment: Deployment, raw_labels: object, creator_id: int
) -> None:
    """Give a deployment exactly these labels, and its environments their counts."""
    labels = parse_labels(raw_labels)
    parents = [value for name, value in labels if name == PARENT]
    check_parents(session, deployment, parents)
    before = parent_keys(session, deployment.key)
    replace_labels(session, DeploymentLabel, deployment.key, labels, creator_id)
    changed = set(before) ^ set(parent_keys(session, deployment.key))
    recalculate(session, changed)


def add_labels(
    session: Session, deployment: Deployment, raw_labels: object, creator_id: int
) -> None:
    """Give a deployment these labels beside those it has."""
    query = select(DeploymentLabel.name, DeploymentLabel.value).where(
        DeploymentLabel.deployment_key == deployment.key
    )
    present = {(name, value) for name, value in session.execute(query)}
    wanted = present | set(parse_labels(raw_labels))
    set_labels(session, deployment, [{name: value} for name, value in sorted(wanted)], creator_id)


def set_visibility(session: Session, caller: Caller, deployment_id: str, visibility: str) -> None:
    """Let more users see a deployment and its parts; never more than see its blueprint."""
    deployment = find_to_change(session, caller, Deployment, deployment_id)
    blueprint = session.get_one(Blueprint, deployment.blueprint_key)
    if is_wider(visibility, blueprint.visibility):
        raise IllegalVisibility(
            f"The visibility of deployment `{deployment_id}` can't be wider than the visibility "
            f"of its blueprint `{blueprint.id}`. Current blueprint visibility is "
            f"{blueprint.visibility}"
        )
    widen(session, deployment, visibility)
    deployment.updated_at = func.now()
    for part in _PARTS:
        parts = part.deployment_key == deployment.key
        session.execute(update(part).where(parts).values(visibility=visibility))


def set_site(session: Session, caller: Caller, deployment_id: str, site_name: str | None) -> None:
    """Say at which site a deployment is; None takes it from its site."""
    deployment = find_to_change(session, caller, Deployment, deployment_id)
    site = None
    if site_name is not None:
        site = find(session, caller, Site, site_name)
        check_site(deployment_id, deployment.visibility, site)
    deployment.site_key = site.key if site else None
    deployment.updated_at = func.now()


def start_deletion(
    session: Session,
    caller: Caller,
    deployment_id: str,
    *,
    parameters: Mapping[str, bool],
    bypass_maintenance: bool = False,
) -> Execution:
    """Start the workflow that deletes a deployment; raises DependentExists while it is needed.

    `parameters` are `force`, `delete_logs` and `recursive`.
    """
    deployment = find_to_change(session, caller, Deployment, deployment_id)
    check_nothing_depends(session, deployment, **parameters)
    deployment.deployment_status = DeploymentState.IN_PROGRESS
    return start_system_workflow(
        session,
        caller,
        "delete_deployment_environment",
        parameters=dict(parameters),
        deployment=deployment,
        options=StartOptions(bypass_maintenance=bypass_maintenance),
    )


def _visibility(request: DeploymentRequest, blueprint: Blueprint) -> str:
    wanted = request.visibility or blueprint.visibility
    if wanted == GLOBAL and blueprint.visibility != GLOBAL:
        if request.visibility is None:
            return blueprint.visibility
        raise IllegalVisibility(
            f"Can't create global deployment {request.deployment_id} because blueprint "
            f"{blueprint.id} is not global"
        )
    return blueprint.visibility if is_wider(wanted, blueprint.visibility) else wanted


def _start_creation(
    session: Session, caller: Caller, deployment: Deployment, request: DeploymentRequest
) -> Execution:
    parameters: dict[str, Any] = {"inputs": dict(request.inputs)}
    if request.labels:
        parameters["labels"] = [{name: value} for name, value in request.labels]
    parameters["display_name"] = request.display_name
    execution = start_system_workflow(
        session,
        caller,
        "create_deployment_environment",
        parameters=parameters,
        deployment=deployment,
        options=StartOptions(bypass_maintenance=request.bypass_maintenance),
    )
    deployment.create_execution_key = execution.key
    deployment.latest_execution_key = execution.key
    deployment.deployment_status = DeploymentState.IN_PROGRESS
    session.flush()
    return execution


def _forget_failed(session: Session, caller: Caller, deployment_id: str) -> None:
    """Delete a deployment whose environment could not be made, so that its id is free again."""
    failed = (
        select(Deployment.key)
        .join(Execution, Execution.key == Deployment.create_execution_key)
        .where(
            Deployment.tenant_id == caller.tenant_id,
            Deployment.id == deployment_id,
            Execution.status == "failed",
            ~select(Node.key).where(Node.deployment_key == Deployment.key).exists(),
        )
    )
    session.execute(delete(Deployment).where(Deployment.key.in_(failed)))
