"""/nodes: the nodes of deployments."""

from flask import Blueprint, Response, jsonify, request

from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.evaluation import evaluator_of, owner_of
from manager.rest.fields import list_field, text_field
from manager.rest.views import listing_of
from manager.services.node_instances import deployment_to_fill
from manager.services.nodes import create_nodes, delete_node, update_node
from manager.storage.views.nodes import EVALUATED_NODES, NODES

blueprint = Blueprint("nodes", __name__)


@blueprint.get("/nodes")
@authorize("node_list")
def get_all() -> Body | list[Body]:
    """Answer nodes; `_evaluate_functions` puts values in place of functions in properties."""
    if not flag_argument("_evaluate_functions"):
        return listing_of(NODES)
    reply = listing_of(EVALUATED_NODES)
    for node in reply["items"] if isinstance(reply, dict) else reply:
        _evaluate(node)
    return reply


@blueprint.post("/nodes")
@authorize("node_list")
def create() -> tuple[Response | str, int]:
    """Create the nodes of a deployment's plan."""
    body = json_object()
    deployment_id, nodes = text_field(body, "deployment_id"), list_field(body, "nodes")
    if not nodes:
        return "", 204
    deployment = deployment_to_fill(session(), caller(), deployment_id)
    create_nodes(session(), deployment, caller().user_id, nodes)
    return jsonify(None), 201


@blueprint.patch("/nodes/<deployment_id>/<node_id>")
@authorize("node_update")
def update(deployment_id: str, node_id: str) -> tuple[str, int]:
    """Change a node, as deployment updates do."""
    update_node(session(), caller(), deployment_id, node_id, json_object())
    return "", 204


@blueprint.delete("/nodes/<deployment_id>/<node_id>")
@authorize("node_delete")
def delete(deployment_id: str, node_id: str) -> tuple[str, int]:
    """Delete a node with its instances."""
    delete_node(session(), caller(), deployment_id, node_id)
    return "", 204


def _evaluate(node: Body) -> None:
    from manager.dsl.evaluate import has_functions  # it brings dsl_parser

    instance_id = request.args.get("_instance_context")
    node["name"] = node.get("id")
    if instance_id:
        node["instance_id_hint"] = instance_id
    if has_functions(node.get("properties")):
        evaluator_of(owner_of(node)).node(node, instance_id)
