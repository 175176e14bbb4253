"""/tasks_graphs: what workflows have to do, stored so that they can be resumed."""

from flask import Blueprint, request

from manager.errors import BadParameters
from manager.rest.arguments import moment
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.views import listing_of, one_of
from manager.services.resources import find, find_to_change
from manager.services.task_graphs import WantedGraph, create_graph
from manager.storage.models import Execution, TasksGraph
from manager.storage.views.executions import TASKS_GRAPHS

blueprint = Blueprint("tasks_graphs", __name__)

_MAX_GRAPH_BYTES = 256 * 1024 * 1024  # thousands of operations, each with its inputs


@blueprint.get("/tasks_graphs")
@authorize("operations")
def get_all() -> Body | list[Body]:
    """Answer the graphs of an execution, or the one of a name."""
    execution_id = request.args.get("execution_id")
    if not execution_id:
        raise BadParameters("execution_id is missing")
    execution = find(session(), caller(), Execution, execution_id)
    return listing_of(
        TASKS_GRAPHS, TasksGraph.execution_key == execution.key, besides=("execution_id",)
    )


@blueprint.get("/tasks_graphs/<graph_id>")
@authorize("operations")
def get_one(graph_id: str) -> Body:
    """Answer a graph."""
    return one_of(TASKS_GRAPHS, graph_id)


@blueprint.post("/tasks_graphs/<_graph_id>")
@authorize("operations")
def create(_graph_id: str) -> tuple[Body, int]:
    """Store a graph with all its operations; clients name `tasks_graphs` where an id would be."""
    request.max_content_length = _MAX_GRAPH_BYTES
    body = json_object()
    name, operations = body.get("name"), body.get("operations") or []
    if not isinstance(name, str) or not isinstance(operations, list):
        raise BadParameters("A graph has a name and a list of operations")
    execution = find_to_change(session(), caller(), Execution, str(body.get("execution_id")))
    graph = create_graph(session(), execution, _wanted(name, operations, body))
    return one_of(TASKS_GRAPHS, graph.id), 201


@blueprint.patch("/tasks_graphs/<graph_id>")
@authorize("operations")
def update(graph_id: str) -> Body:
    """Answer the graph: the state that clients send of one is not kept, as in the original."""
    find_to_change(session(), caller(), TasksGraph, graph_id)
    return one_of(TASKS_GRAPHS, graph_id)


def _wanted(name: str, operations: list[Body], body: Body) -> WantedGraph:
    graph_id, created_at = body.get("graph_id"), body.get("created_at")
    if graph_id:
        caller().require("set_execution_details")
    if created_at or any(o.get("created_at") for o in operations if isinstance(o, dict)):
        caller().require("set_timestamp")
    return WantedGraph(
        name=name.replace("\0", ""),
        operations=operations,
        id=str(graph_id) if graph_id else None,
        created_at=moment("created_at", str(created_at)) if created_at else None,
    )
