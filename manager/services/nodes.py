"""Create, change and delete nodes of deployments."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, NotFound
from manager.services.authentication import Caller
from manager.services.node_rows import node_row
from manager.services.resources import find_to_change
from manager.storage.models import Deployment, Node

_CHANGEABLE = ("plugins", "operations", "relationships", "properties")


def create_nodes(
    session: Session, deployment: Deployment, creator_id: int, raws: Sequence[Mapping[str, Any]]
) -> None:
    """Create nodes as the deployment's plan has them; raises Conflict when one exists."""
    common = part_of(deployment, creator_id)
    rows = [{**node_row(raw), **common, "deployment_key": deployment.key} for raw in raws]
    insert_rows(session, Node, rows)


def update_node(
    session: Session,
    caller: Caller,
    deployment_id: str,
    node_id: str,
    changes: Mapping[str, Any],
) -> None:
    """Change what a deployment update changes of a node; other keys are ignored."""
    deployment = find_to_change(session, caller, Deployment, deployment_id)
    values = {name: changes[name] for name in _CHANGEABLE if changes.get(name)}
    for name, value in values.items():
        wanted = list if name in ("plugins", "relationships") else dict
        if not isinstance(value, wanted):
            raise BadParameters(f"`{name}` of a node has the wrong type")
    condition = (Node.deployment_key == deployment.key, Node.id == node_id)
    statement = update(Node).where(*condition).values(values or {"id": Node.id})
    if not session.execute(statement.returning(Node.key)).first():
        raise NotFound.of("Node", node_id)


def delete_node(session: Session, caller: Caller, deployment_id: str, node_id: str) -> None:
    """Delete a node with its instances; raises NotFound."""
    deployment = find_to_change(session, caller, Deployment, deployment_id)
    statement = delete(Node).where(Node.deployment_key == deployment.key, Node.id == node_id)
    if not session.execute(statement.returning(Node.key)).first():
        raise NotFound.of("Node", node_id)


def node_keys(session: Session, deployment: Deployment) -> dict[str, int]:
    """Return the keys of a deployment's nodes by their ids."""
    query = select(Node.id, Node.key).where(Node.deployment_key == deployment.key)
    return {node_id: key for node_id, key in session.execute(query)}


def part_of(deployment: Deployment, creator_id: int) -> dict[str, Any]:
    """Return what a part of a deployment has from it: tenant and visibility."""
    return {
        "tenant_id": deployment.tenant_id,
        "visibility": deployment.visibility,
        "creator_id": creator_id,
    }


def insert_rows(
    session: Session, model: type[Node] | type[Any], rows: list[dict[str, Any]]
) -> None:
    """Insert rows in one go; raises Conflict when one of them exists."""
    if not rows:
        return
    session.flush()
    table = cast(Table, model.__table__)
    try:
        # Straight to the connection: a hundred nodes are a megabyte that the ORM would go through.
        session.connection().execute(insert(table), rows)
    except IntegrityError as error:
        raise Conflict(f"{model.__name__}: one of the given ids exists already") from error
