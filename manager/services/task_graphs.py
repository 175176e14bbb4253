"""Stored task graphs: how workflows remember what they have to do."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, literal, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict
from manager.services.authentication import Caller
from manager.services.operations import NOP, TERMINATED
from manager.services.plain_json import without_nul
from manager.services.resources import find_to_change
from manager.storage.models import Execution, Node, Operation, TasksGraph

# One statement takes any number of operations; their order is the order of their keys.
_ADD_OPERATIONS = text(
    """
    INSERT INTO operations (id, tenant_id, creator_id, visibility, created_at, tasks_graph_key,
        name, state, type, dependencies, parameters, manager_name, agent_name)
    SELECT o.id, g.tenant_id, g.creator_id, g.visibility, coalesce(o.created_at, now()), g.key,
        o.name, o.state, o.type, o.dependencies, o.parameters, o.manager_name, o.agent_name
    FROM tasks_graphs AS g,
        ROWS FROM (jsonb_to_recordset(CAST(:operations AS jsonb)) AS (
            id text, name text, state text, type text, dependencies jsonb, parameters jsonb,
            created_at timestamptz, manager_name text, agent_name text))
        WITH ORDINALITY AS o (id, name, state, type, dependencies, parameters, created_at,
            manager_name, agent_name, position)
    WHERE g.key = :graph_key
    ORDER BY o.position
    """
)
_RESUMABLE = ("rescheduled", "failed", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGraph:
    """A graph as a workflow stores it."""

    name: str
    operations: Sequence[Mapping[str, Any]] = ()
    id: str | None = None
    created_at: datetime | None = None


def create_graph(session: Session, execution: Execution, wanted: WantedGraph) -> TasksGraph:
    """Store a graph with its operations; raises Conflict when an id is taken."""
    graph = TasksGraph(
        id=wanted.id or str(uuid.uuid4()),
        tenant_id=execution.tenant_id,
        creator_id=execution.creator_id,
        visibility=execution.visibility,
        execution_key=execution.key,
        name=wanted.name,
    )
    if wanted.created_at is not None:
        graph.created_at = wanted.created_at
    session.add(graph)
    rows = [operation_row(operation) for operation in wanted.operations]
    try:
        session.flush()
        _add(session, graph, rows)
    except IntegrityError as error:
        raise Conflict(f"An operation of graph `{wanted.name}` exists already") from error
    return graph


def add_operation(session: Session, graph: TasksGraph, operation: Mapping[str, Any]) -> None:
    """Add an operation to a stored graph; raises Conflict when its id is taken."""
    try:
        _add(session, graph, [operation_row(operation)])
    except IntegrityError as error:
        raise Conflict(f"Operation with ID `{operation['id']}` exists already") from error


def delete_operation(session: Session, caller: Caller, operation_id: str) -> None:
    """Delete an operation; its execution counts it no longer."""
    operation = find_to_change(session, caller, Operation, operation_id)
    graph = session.get_one(TasksGraph, operation.tasks_graph_key)
    if operation.type != NOP:
        _count(session, graph, total=-1, finished=-(operation.state in TERMINATED))
    session.delete(operation)
    session.flush()


def operation_row(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation of a request as a row; raises BadParameters when it is none."""
    if not isinstance(operation, Mapping):
        raise BadParameters("An operation is not an object")
    row = {
        "state": "pending",
        "dependencies": [],
        "parameters": {},
        "type": None,
        **{name: value for name, value in operation.items() if value is not None},
    }
    for name in ("id", "name", "type", "state"):
        if not isinstance(row.get(name), str):
            raise BadParameters(f"`{name}` of an operation is not a text")
    if not isinstance(row["dependencies"], list) or not isinstance(row["parameters"], dict):
        raise BadParameters("An operation has a list of dependencies and an object of parameters")
    return row


def update_stored_inputs(
    session: Session, node: Node, operation_name: str, inputs: Mapping[str, Any]
) -> None:
    """Give the node's stored operations that have not succeeded the inputs of the plan.

    A deployment's update changes inputs; what is resumed after it must use the new ones.
    """
    context = Operation.parameters["task_kwargs"]["kwargs"]["__cloudify_context"]
    graphs = (
        select(TasksGraph.key)
        .join(Execution, Execution.key == TasksGraph.execution_key)
        .where(
            Execution.deployment_key == node.deployment_key,
            Execution.status.in_(("pending", "started", "cancelled", "failed")),
        )
    )
    path = "{task_kwargs,kwargs,__cloudify_context,has_intrinsic_functions}"
    kwargs = Operation.parameters["task_kwargs"]["kwargs"]
    merged = kwargs.concat(literal(dict(inputs), JSONB))
    session.execute(
        update(Operation)
        .where(
            Operation.tasks_graph_key.in_(graphs),
            Operation.state.in_(_RESUMABLE),
            context["node_name"].astext == node.id,
            context["operation"]["name"].astext == operation_name,
        )
        .values(
            parameters=func.jsonb_set(
                func.jsonb_set(Operation.parameters, text("'{task_kwargs,kwargs}'"), merged),
                text(f"'{path}'"),
                text("'true'"),
            )
        ),
        execution_options={"synchronize_session": False},
    )


def _add(session: Session, graph: TasksGraph, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    document = orjson.dumps(rows).decode()
    if "\\u0000" in document:
        document = orjson.dumps(without_nul(list(rows))).decode()
    session.execute(_ADD_OPERATIONS, {"graph_key": graph.key, "operations": document})
    counted = [row for row in rows if row["type"] != NOP]
    finished = sum(row["state"] in TERMINATED for row in counted)
    _count(session, graph, total=len(counted), finished=finished)


def _count(session: Session, graph: TasksGraph, *, total: int, finished: int) -> None:
    session.execute(
        update(Execution)
        .where(Execution.key == graph.execution_key)
        .values(
            total_operations=func.coalesce(Execution.total_operations, 0) + total,
            finished_operations=func.coalesce(Execution.finished_operations, 0) + finished,
        ),
        execution_options={"synchronize_session": False},
    )
