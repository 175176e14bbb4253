"""/evaluate/functions: evaluate intrinsic functions in the context of a deployment."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.envelope import Body, json_object
from manager.rest.evaluation import evaluator_of
from manager.rest.fields import object_field, text_field

blueprint = Blueprint("evaluate_functions", __name__)


@blueprint.post("/evaluate/functions")
@authorize("functions_evaluate")
def evaluate() -> Body:
    """Answer the payload with values in place of functions."""
    body = json_object()
    deployment_id = text_field(body, "deployment_id")
    context, payload = object_field(body, "context"), object_field(body, "payload")
    evaluated = evaluator_of(deployment_id).payload(payload, context)
    return {"deployment_id": deployment_id, "payload": evaluated}
