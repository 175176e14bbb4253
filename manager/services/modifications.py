"""Change a deployment's number of instances: start, then finish or roll back."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from manager.services.authentication import Caller
from manager.services.deployment_errors import ModificationAlreadyEnded, ModificationInProgress
from manager.services.modification_changes import (
    groups_with,
    merged_relationships,
    parse_wanted,
    without_targets,
)
from manager.services.node_instances import create_instances
from manager.services.resources import find_to_change
from manager.storage.models import Deployment, DeploymentModification, Node, NodeInstance
from manager.storage.view import Item
from manager.storage.views.nodes import PARSED_INSTANCES

STARTED, FINISHED, ROLLED_BACK = "started", "finished", "rolledback"


def start_modification(
    session: Session,
    caller: Caller,
    deployment_id: str,
    wanted: Mapping[str, Any],
    context: Mapping[str, Any],
) -> str:
    """Add the instances that are wanted and return the modification's id.

    Those to be removed stay until it is finished. Raises ModificationInProgress while another runs.
    """
    from manager.dsl.modification import changed_instances  # it brings networkx

    deployment = find_to_change(session, caller, Deployment, deployment_id)
    _check_none_started(session, deployment)
    nodes = {node.id: node for node in _nodes(session, deployment)}
    groups: dict[str, Any] = deployment.scaling_groups or {}
    numbers = parse_wanted(wanted, {*nodes, *groups})
    before = _instances(session, deployment)
    changes: dict[str, Any] = changed_instances(
        [_plan_of(node) for node in nodes.values()], before, numbers, groups
    )
    changes["before_modification"] = before
    modification = DeploymentModification(
        id=str(uuid.uuid4()),
        tenant_id=deployment.tenant_id,
        creator_id=caller.user_id,
        visibility=deployment.visibility,
        deployment_key=deployment.key,
        status=STARTED,
        context=dict(context),
        modified_nodes=dict(wanted),
        node_instances=changes,
    )
    session.add(modification)
    for name, spec in numbers.items():
        if name in groups:
            groups = groups_with(groups, name, planned_instances=spec["instances"])
        else:
            nodes[name].planned_number_of_instances = spec["instances"]
    deployment.scaling_groups = groups
    _extend(session, nodes, before, changes["added_and_related"])
    added = [one for one in changes["added_and_related"] if _is(one, "added")]
    create_instances(session, deployment, caller.user_id, added)
    return modification.id


def finish_modification(session: Session, caller: Caller, modification_id: str) -> None:
    """Delete the instances that were to be removed, and write the new numbers."""
    modification, deployment = _to_end(session, caller, modification_id, "finish")
    groups: dict[str, Any] = deployment.scaling_groups or {}
    for name, spec in (modification.modified_nodes or {}).items():
        if name in groups:
            groups = groups_with(groups, name, current_instances=spec["instances"])
        else:
            _set_number(session, deployment, name, number_of_instances=spec["instances"])
    deployment.scaling_groups = groups
    present = {one["id"]: one for one in _instances(session, deployment)}
    for one in (modification.node_instances or {}).get("removed_and_related", ()):
        if _is(one, "removed"):
            _of(session, deployment, one["id"], delete(NodeInstance))
        elif one["id"] in present:
            kept = without_targets(present[one["id"]]["relationships"], one["relationships"])
            _set_relationships(session, deployment, one["id"], kept)
    modification.status = FINISHED
    modification.ended_at = func.now()


def roll_back_modification(session: Session, caller: Caller, modification_id: str) -> None:
    """Bring the instances back to what they were before the modification."""
    modification, deployment = _to_end(session, caller, modification_id, "rollback")
    documents = dict(modification.node_instances or {})
    documents["before_rollback"] = _instances(session, deployment)
    session.execute(delete(NodeInstance).where(NodeInstance.deployment_key == deployment.key))
    before = documents["before_modification"]
    create_instances(session, deployment, caller.user_id, before)
    groups: dict[str, Any] = deployment.scaling_groups or {}
    for name in modification.modified_nodes or {}:
        if name in groups:
            current = groups[name]["properties"]["current_instances"]
            groups = groups_with(groups, name, planned_instances=current)
        else:
            number = Node.number_of_instances
            _set_number(session, deployment, name, planned_number_of_instances=number)
    deployment.scaling_groups = groups
    modification.node_instances = documents
    modification.status = ROLLED_BACK
    modification.ended_at = func.now()


def _to_end(
    session: Session, caller: Caller, modification_id: str, verb: str
) -> tuple[DeploymentModification, Deployment]:
    modification = find_to_change(session, caller, DeploymentModification, modification_id)
    if modification.status != STARTED:
        raise ModificationAlreadyEnded(
            f"Cannot {verb} deployment modification: {modification_id}. It is already in "
            f"{modification.status} status."
        )
    query = select(Deployment).where(Deployment.key == modification.deployment_key)
    return modification, session.scalars(query.with_for_update()).one()


def _check_none_started(session: Session, deployment: Deployment) -> None:
    started = session.scalars(
        select(DeploymentModification.id).where(
            DeploymentModification.deployment_key == deployment.key,
            DeploymentModification.status == STARTED,
        )
    ).all()
    if started:
        raise ModificationInProgress(
            "Cannot start deployment modification while there are existing started deployment "
            f"modifications. Currently started deployment modifications: {list(started)}"
        )


def _nodes(session: Session, deployment: Deployment) -> Sequence[Node]:
    query = select(Node).where(Node.deployment_key == deployment.key).order_by(Node.key)
    return session.scalars(query).all()


def _plan_of(node: Node) -> dict[str, Any]:
    """Return a node as the plan has it, as far as scaling looks at it."""
    return {
        "id": node.id,
        "name": node.id,
        "type": node.type,
        "type_hierarchy": node.type_hierarchy,
        "host_id": node.host_id,
        "relationships": node.relationships or [],
        "number_of_instances": node.number_of_instances,
        "planned_number_of_instances": node.planned_number_of_instances,
        "deploy_number_of_instances": node.deploy_number_of_instances,
        "min_number_of_instances": node.min_number_of_instances,
        "max_number_of_instances": node.max_number_of_instances,
    }


def _instances(session: Session, deployment: Deployment) -> list[Item]:
    view = PARSED_INSTANCES
    query = view.query(view.names).where(NodeInstance.deployment_key == deployment.key)
    return view.items(session, query.order_by(NodeInstance.key))


def _extend(
    session: Session, nodes: Mapping[str, Node], before: Sequence[Item], related: Sequence[Item]
) -> None:
    """Give instances that stay their relationships to those that come."""
    present = {one["id"]: one for one in before}
    for one in related:
        if _is(one, "added"):
            continue
        node = nodes[one["node_id"]]
        order = [relationship["target_id"] for relationship in node.relationships or ()]
        old = present[one["id"]]
        merged = merged_relationships(order, old["relationships"], one["relationships"])
        statement = update(NodeInstance).values(
            relationships=merged, version=NodeInstance.version + 1
        )
        instance = (NodeInstance.tenant_id == node.tenant_id, NodeInstance.id == one["id"])
        session.execute(statement.where(*instance))


def _set_number(session: Session, deployment: Deployment, node_id: str, **values: Any) -> None:
    node = (Node.deployment_key == deployment.key, Node.id == node_id)
    session.execute(update(Node).where(*node).values(**values))


def _set_relationships(
    session: Session, deployment: Deployment, instance_id: str, relationships: list[Any]
) -> None:
    values = {"relationships": relationships, "version": NodeInstance.version + 1}
    _of(session, deployment, instance_id, update(NodeInstance).values(values))


def _of(session: Session, deployment: Deployment, instance_id: str, statement: Any) -> None:
    mine = (NodeInstance.deployment_key == deployment.key, NodeInstance.id == instance_id)
    session.execute(statement.where(*mine), execution_options={"synchronize_session": False})


def _is(instance: Mapping[str, Any], change: str) -> bool:
    return instance.get("modification") == change
