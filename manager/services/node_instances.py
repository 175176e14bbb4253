"""Create, change and delete node instances; writers prove by a version that they know the last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, NotFound
from manager.services.authentication import Caller
from manager.services.instance_health import has_configuration_drift, is_status_check_ok
from manager.services.node_rows import instance_rows
from manager.services.nodes import insert_rows, node_keys, part_of
from manager.services.resources import find_to_change
from manager.storage.models import Deployment, Node, NodeInstance
from manager.storage.scope import writable
from manager.storage.view import Item
from manager.storage.views.nodes import PARSED_INSTANCES

_TYPES = {
    "state": str,
    "runtime_properties": dict,
    "system_properties": dict,
    "relationships": list,
}


@dataclass(frozen=True, slots=True)
class InstanceChange:
    """What a writer wants: new values, and the version that it has seen."""

    version: int
    values: Mapping[str, Any]
    force: bool = False

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, force: bool = False) -> "InstanceChange":
        """Return what a request's body asks for; raises BadParameters."""
        version = body.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise BadParameters("`version` of the node instance must be given, as a number")
        values = {name: body[name] for name in _TYPES if body.get(name) is not None}
        for name, value in values.items():
            if not isinstance(value, _TYPES[name]):
                raise BadParameters(f"`{name}` must be of type {_TYPES[name].__name__}")
        return cls(version or 1, values, force)


def create_instances(
    session: Session, deployment: Deployment, creator_id: int, raws: Sequence[Mapping[str, Any]]
) -> None:
    """Create instances of a deployment's nodes; raises Conflict when one exists."""
    common = part_of(deployment, creator_id)
    common["deployment_key"] = deployment.key
    last_indexes = _last_indexes(session, deployment)
    rows = instance_rows(raws, node_keys(session, deployment), last_indexes)
    insert_rows(session, NodeInstance, [{**row, **common} for row in rows])


def update_instance(
    session: Session, caller: Caller, instance_id: str, change: InstanceChange
) -> Item:
    """Change an instance and return it as clients see it.

    Its version rises if anything differs. Raises Conflict when it has risen since the writer read.
    """
    key, item = _locked(session, caller, instance_id)
    if not change.force and item["version"] > change.version:
        raise Conflict(
            f"Node instance update conflict [current version={item['version']}, "
            f"update version={change.version}]"
        )
    changed = {name: value for name, value in change.values.items() if item[name] != value}
    if changed:
        changed["version"] = item["version"] + 1
        if "system_properties" in changed:
            changed["is_status_check_ok"] = is_status_check_ok(changed["system_properties"])
            changed["has_configuration_drift"] = has_configuration_drift(
                changed["system_properties"]
            )
        statement = update(NodeInstance).where(NodeInstance.key == key).values(changed)
        session.execute(statement, execution_options={"synchronize_session": False})
    return {**item, **changed}


def delete_instance(session: Session, caller: Caller, instance_id: str) -> None:
    """Delete an instance; raises NotFound."""
    key, _ = _locked(session, caller, instance_id)
    session.execute(delete(NodeInstance).where(NodeInstance.key == key))


def deployment_to_fill(session: Session, caller: Caller, deployment_id: str) -> Deployment:
    """Return a deployment that nodes or instances are to be added to, locked."""
    return find_to_change(session, caller, Deployment, deployment_id)


def _locked(session: Session, caller: Caller, instance_id: str) -> tuple[int, Item]:
    caller.require_tenant()
    view = PARSED_INSTANCES
    query = (
        view.query(view.names)
        .where(writable(NodeInstance, caller), NodeInstance.id == instance_id)
        .with_for_update(of=NodeInstance)
    )
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound.of(view.name, instance_id)
    return found[0], dict(zip(view.names, found[1:], strict=True))


def _last_indexes(session: Session, deployment: Deployment) -> dict[str, int]:
    query = (
        select(Node.id, func.max(NodeInstance.index))
        .join(NodeInstance, NodeInstance.node_key == Node.key)
        .where(Node.deployment_key == deployment.key)
        .group_by(Node.id)
    )
    return {node_id: index for node_id, index in session.execute(query)}
