"""/deployment-modifications: how a deployment's number of instances changes."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.fields import object_field, text_field
from manager.rest.views import listing_of, one_of
from manager.services.modifications import (
    finish_modification,
    roll_back_modification,
    start_modification,
)
from manager.storage.views.modifications import MODIFICATIONS

blueprint = Blueprint("deployment_modifications", __name__)


@blueprint.get("/deployment-modifications")
@authorize("deployment_modification_list")
def get_all() -> Body | list[Body]:
    """Answer modifications."""
    return listing_of(MODIFICATIONS)


@blueprint.post("/deployment-modifications")
@authorize("deployment_modify")
def start() -> tuple[Body, int]:
    """Start a modification: instances that are wanted are added, none is removed yet."""
    body = json_object()
    wanted = object_field(body, "nodes") if body.get("nodes") is not None else {}
    context = object_field(body, "context") if body.get("context") is not None else {}
    deployment_id = text_field(body, "deployment_id")
    modification_id = start_modification(session(), caller(), deployment_id, wanted, context)
    return one_of(MODIFICATIONS, modification_id), 201


@blueprint.get("/deployment-modifications/<modification_id>")
@authorize("deployment_modification_get")
def get_one(modification_id: str) -> Body:
    """Answer a modification."""
    return one_of(MODIFICATIONS, modification_id)


@blueprint.post("/deployment-modifications/<modification_id>/finish")
@authorize("deployment_modification_finish")
def finish(modification_id: str) -> Body:
    """Remove the instances that are to go."""
    finish_modification(session(), caller(), modification_id)
    return one_of(MODIFICATIONS, modification_id)


@blueprint.post("/deployment-modifications/<modification_id>/rollback")
@authorize("deployment_modification_rollback")
def roll_back(modification_id: str) -> Body:
    """Bring the instances back to what they were."""
    roll_back_modification(session(), caller(), modification_id)
    return one_of(MODIFICATIONS, modification_id)
