"""/node-instances: the instances of nodes."""

from flask import Blueprint, Response, jsonify

from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.evaluation import evaluator_of, owner_of
from manager.rest.fields import list_field, text_field
from manager.rest.views import listing_of, one_of
from manager.services.node_instances import (
    InstanceChange,
    create_instances,
    delete_instance,
    deployment_to_fill,
    update_instance,
)
from manager.storage.views.nodes import EVALUATED_INSTANCES, INSTANCES

blueprint = Blueprint("node_instances", __name__)


@blueprint.get("/node-instances")
@authorize("node_instance_list")
def get_all() -> Body | list[Body]:
    """Answer node instances."""
    return listing_of(INSTANCES)


@blueprint.post("/node-instances")
@authorize("node_list")
def create() -> tuple[Response | str, int]:
    """Create instances of the nodes of a deployment."""
    body = json_object()
    deployment_id = text_field(body, "deployment_id")
    instances = list_field(body, "node_instances")
    if not instances:
        return "", 204
    deployment = deployment_to_fill(session(), caller(), deployment_id)
    create_instances(session(), deployment, caller().user_id, instances)
    return jsonify(None), 201


@blueprint.get("/node-instances/<instance_id>")
@authorize("node_instance_get")
def get_one(instance_id: str) -> Body:
    """Answer a node instance; `_evaluate_functions` evaluates its runtime properties."""
    if not flag_argument("_evaluate_functions"):
        return one_of(INSTANCES, instance_id)
    from manager.dsl.evaluate import has_functions  # it brings dsl_parser

    instance = one_of(EVALUATED_INSTANCES, instance_id)
    if has_functions(instance.get("runtime_properties")):
        evaluator_of(owner_of(instance)).instance(instance)
    return instance


@blueprint.patch("/node-instances/<instance_id>")
@authorize("node_instance_update")
def update(instance_id: str) -> Body:
    """Change a node instance whose `version` the caller has seen."""
    change = InstanceChange.parse(json_object(), force=flag_argument("force"))
    return update_instance(session(), caller(), instance_id, change)


@blueprint.delete("/node-instances/<instance_id>")
@authorize("node_instance_delete")
def delete(instance_id: str) -> tuple[str, int]:
    """Delete a node instance."""
    delete_instance(session(), caller(), instance_id)
    return "", 204
