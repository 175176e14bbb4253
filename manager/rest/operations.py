"""/operations: the tasks of stored graphs, as workflows and workers report them."""

from typing import Any

from flask import Blueprint, request
from sqlalchemy import ColumnElement

from manager.errors import BadParameters
from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.views import listing_of, one_of
from manager.services.operations import StateChange, change_state
from manager.services.resources import find, find_to_change
from manager.services.task_graphs import (
    add_operation,
    delete_operation,
    operation_row,
    update_stored_inputs,
)
from manager.storage.models import Deployment, Execution, Node, Operation, TasksGraph
from manager.storage.views.executions import OPERATIONS

blueprint = Blueprint("operations", __name__)

_STATES = frozenset(
    {"pending", "sending", "sent", "started", "response-sent", "succeeded", "failed", "rescheduled"}
)
_OF_WORKERS = ("SubgraphTask", "RemoteWorkflowTask")


@blueprint.get("/operations")
@authorize("operations")
def get_all() -> Body | list[Body]:
    """Answer the operations of a graph, or of all graphs of an execution, in their order."""
    where = [_belonging()]
    if flag_argument("skip_internal"):
        where.append(Operation.type.in_(_OF_WORKERS))
    return listing_of(OPERATIONS, *where, besides=("graph_id", "execution_id", "skip_internal"))


@blueprint.post("/operations")
@authorize()
def act() -> tuple[str, int]:
    """Write the states of many operations, or give stored ones the inputs that nodes have now."""
    body = json_object()
    if body.get("action") == "update-states":
        _update_states(body)
        return "", 204
    caller().require("operations")
    if body.get("action") != "update-stored":
        raise BadParameters(f"Invalid action: {body.get('action')!r}. It is update-stored")
    if body.get("deployment_id"):
        _update_stored(body)
    return "", 204


@blueprint.get("/operations/<operation_id>")
@authorize("operations")
def get_one(operation_id: str) -> Body:
    """Answer an operation."""
    return one_of(OPERATIONS, operation_id)


@blueprint.put("/operations/<operation_id>")
@authorize("operations")
def put(operation_id: str) -> tuple[Body, int]:
    """Add an operation to a stored graph: a retry, or what a workflow thought of later."""
    body = json_object()
    graph = find_to_change(session(), caller(), TasksGraph, str(body.get("graph_id")))
    names = ("name", "type", "dependencies", "parameters")
    operation = {"id": operation_id, **{name: body.get(name) for name in names}}
    add_operation(session(), graph, operation_row(operation))
    return one_of(OPERATIONS, operation_id), 201


@blueprint.patch("/operations/<operation_id>")
@authorize()
def update(operation_id: str) -> Body:
    """Write an operation's state; any execution may, whatever the roles of its creator."""
    if caller().execution_key is None:
        caller().require("operations")
    change_state(session(), caller(), operation_id, _state_change(json_object()))
    return {}


@blueprint.delete("/operations/<operation_id>")
@authorize("operations")
def delete(operation_id: str) -> Body:
    """Delete an operation and answer it."""
    answer = one_of(OPERATIONS, operation_id)
    delete_operation(session(), caller(), operation_id)
    return answer


def _update_states(body: dict[str, Any]) -> None:
    """Do what a PATCH of each operation would do, in this order; 7.0.5 has no such action."""
    if caller().execution_key is None:
        caller().require("operations")
    updates = body.get("operations")
    if not isinstance(updates, list) or not all(isinstance(each, dict) for each in updates):
        raise BadParameters("`operations` is a list of objects")
    for each in updates:
        change_state(session(), caller(), str(each.get("id")), _state_change(each))


def _belonging() -> ColumnElement[bool]:
    graph_id, execution_id = request.args.get("graph_id"), request.args.get("execution_id")
    if (graph_id is None) == (execution_id is None):
        raise BadParameters("Give either graph_id or execution_id")
    if graph_id is not None:
        graph = find(session(), caller(), TasksGraph, graph_id)
        return Operation.tasks_graph_key == graph.key
    execution = find(session(), caller(), Execution, str(execution_id))
    return TasksGraph.execution_key == execution.key


def _state_change(body: dict[str, Any]) -> StateChange:
    state = body.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise BadParameters(f"{state!r} is not a state of operations: {', '.join(sorted(_STATES))}")
    return StateChange(
        state=state,
        result=body.get("result"),
        exception=_text(body, "exception"),
        exception_causes=body.get("exception_causes"),
        manager_name=_text(body, "manager_name"),
        agent_name=_text(body, "agent_name"),
    )


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return None if value is None else str(value).replace("\0", "")


def _update_stored(body: dict[str, Any]) -> None:
    deployment = find_to_change(session(), caller(), Deployment, str(body["deployment_id"]))
    node = find(
        session(),
        caller(),
        Node,
        str(body.get("node_id")),
        Node.deployment_key == deployment.key,
    )
    name, key, index = str(body.get("operation")), body.get("key"), body.get("rel_index")
    operations: Any = node.operations or {}
    if index is not None:
        relationship = _relationship(node, index)
        operations = relationship.get(str(key)) or {}
        if key == "target_operations":  # it runs on the other side
            node = find(
                session(),
                caller(),
                Node,
                relationship["target_id"],
                Node.deployment_key == deployment.key,
            )
    inputs = (operations.get(name) or {}).get("inputs") or {}
    update_stored_inputs(session(), node, name, inputs)


def _relationship(node: Node, index: object) -> dict[str, Any]:
    relationships = node.relationships or []
    if type(index) is not int or not 0 <= index < len(relationships):
        raise BadParameters(f"Node {node.id} has no relationship {index!r}")
    found: dict[str, Any] = relationships[index]
    return found
