"""Events and log lines as clients see them, in one list."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, null, select
from sqlalchemy.orm import Session

from manager.storage.models import (
    EVENT,
    Blueprint,
    Deployment,
    Event,
    Execution,
    Node,
    NodeInstance,
)

# In the order of a reply; events and logs each lack the other's fields.
FIELDS: dict[str, ColumnElement[Any] | Any] = {
    "_storage_id": Event.key,
    "timestamp": Event.timestamp,
    "reported_timestamp": Event.reported_at,
    "blueprint_id": Blueprint.id,
    "deployment_id": Deployment.id,
    "deployment_display_name": Deployment.display_name,
    "execution_id": Execution.id,
    "execution_group_id": null().cast(Text),
    "workflow_id": Execution.workflow_id,
    "message": Event.message,
    "error_causes": Event.error_causes,
    "event_type": Event.event_type,
    "operation": Event.operation,
    "source_id": Event.source_id,
    "target_id": Event.target_id,
    "manager_name": Event.manager_name,
    "agent_name": Event.agent_name,
    "node_instance_id": Event.node_id,
    "node_name": Node.id,
    "logger": Event.logger,
    "level": Event.level,
    "type": Event.kind,
}
_OF_EVENTS, _OF_LOGS = frozenset({"event_type"}), frozenset({"logger", "level"})


def event_query() -> Select[Any]:
    """Return the query of all events, with the tables that the fields need."""
    return joined(select(*(column.label(name) for name, column in FIELDS.items())))


def joined(query: Select[Any]) -> Select[Any]:
    """Return a query of events joined with what they belong to."""
    return (
        query.select_from(Event)
        .join(Execution, Execution.key == Event.execution_key)
        .outerjoin(Deployment, Deployment.key == Execution.deployment_key)
        .outerjoin(Blueprint, Blueprint.key == Deployment.blueprint_key)
        .outerjoin(
            NodeInstance,
            and_(NodeInstance.tenant_id == Event.tenant_id, NodeInstance.id == Event.node_id),
        )
        .outerjoin(Node, Node.key == NodeInstance.node_key)
    )


def event_items(
    session: Session, query: Select[Any], names: Sequence[str] | None
) -> Iterator[dict[str, Any]]:
    """Yield the items of a query made by `event_query`, with the fields `names` or all."""
    for row in session.connection().execute(query).fetchall():
        item = dict(zip(FIELDS, row, strict=True))
        for foreign in _OF_LOGS if item["type"] == EVENT else _OF_EVENTS:
            del item[foreign]
        yield item if names is None else {n: v for n, v in item.items() if n in names}
