"""/deployments: blueprints brought to life."""

from typing import Any

from flask import Blueprint, request

from manager.errors import BadParameters
from manager.rest.arguments import flag, flag_argument
from manager.rest.auth import authorize
from manager.rest.context import caller, services, session
from manager.rest.envelope import Body, json_object
from manager.rest.evaluation import evaluator_of
from manager.rest.fields import text_field
from manager.rest.views import listing_of, one_of
from manager.services.deployment_errors import (
    DeploymentCreationFailed,
    DeploymentCreationInProgress,
    IllegalDeploymentUpdate,
)
from manager.services.deployment_tree import sub_counts
from manager.services.deployments import (
    DeploymentRequest,
    create_deployment,
    set_attributes,
    set_labels,
    set_site,
    set_visibility,
    start_deletion,
)
from manager.services.execution_end import wait_for_end
from manager.services.labels import parse_labels
from manager.services.resources import check_id, find, find_to_change
from manager.services.visibility import parse_visibility
from manager.storage.models import Deployment
from manager.storage.views.deployments import DEPLOYMENTS

blueprint = Blueprint("deployments", __name__)

_CREATION_TIMEOUT_S = 300  # nginx waits 330 s for a reply
_SUB_FIELDS = (
    "sub_services_count",
    "sub_environments_count",
    "sub_services_status",
    "sub_environments_status",
)


@blueprint.get("/deployments")
@authorize("deployment_list")
def get_all() -> Body | list[Body]:
    """Answer deployments."""
    return listing_of(DEPLOYMENTS)


@blueprint.get("/deployments/<deployment_id>")
@authorize("deployment_get")
def get_one(deployment_id: str) -> Body:
    """Answer a deployment; `all_sub_deployments=False` counts only what is directly below it."""
    item = one_of(DEPLOYMENTS, deployment_id)
    if not flag_argument("all_sub_deployments", default=True):
        key = find(session(), caller(), Deployment, deployment_id).key
        direct = sub_counts(session(), key, direct=True)
        item.update({name: direct[name] for name in _SUB_FIELDS if name in item})
    return item


@blueprint.put("/deployments/<deployment_id>")
def create(deployment_id: str) -> tuple[Body, int]:
    """Create a deployment and answer it when its environment is made, unless `async_create`."""
    execution_key = _create(deployment_id)
    if not flag_argument("async_create"):
        _wait_for_environment(execution_key)
    return _created(deployment_id), 201


@blueprint.patch("/deployments/<deployment_id>")
@authorize("deployment_update")
def update(deployment_id: str) -> Body:
    """Write what the plan says of a deployment, its display name or its labels."""
    changes = json_object()
    if not changes:
        raise IllegalDeploymentUpdate(
            "Update a deployment request must include at least one parameter to update"
        )
    deployment = find_to_change(session(), caller(), Deployment, deployment_id)
    set_attributes(session(), deployment, changes)
    if changes.get("labels") is not None:
        set_labels(session(), deployment, changes["labels"], caller().user_id)
    session().flush()
    return one_of(DEPLOYMENTS, deployment_id)


@blueprint.delete("/deployments/<deployment_id>")
@authorize("deployment_delete")
def delete(deployment_id: str) -> tuple[str, int]:
    """Start the workflow that deletes a deployment."""
    parameters = {name: flag_argument(name) for name in ("delete_logs", "force", "recursive")}
    start_deletion(
        session(),
        caller(),
        deployment_id,
        parameters=parameters,
        bypass_maintenance=_bypasses_maintenance(),
    )
    return "", 204


@blueprint.get("/deployments/<deployment_id>/outputs")
@authorize("deployment_modification_outputs")
def get_outputs(deployment_id: str) -> Body:
    """Answer the values of a deployment's outputs."""
    return {"deployment_id": deployment_id, "outputs": evaluator_of(deployment_id).outputs()}


@blueprint.get("/deployments/<deployment_id>/capabilities")
@authorize("deployment_capabilities")
def get_capabilities(deployment_id: str) -> Body:
    """Answer the values of a deployment's capabilities."""
    capabilities = evaluator_of(deployment_id).capabilities()
    return {"deployment_id": deployment_id, "capabilities": capabilities}


@blueprint.patch("/deployments/<deployment_id>/set-visibility")
@authorize("deployment_set_visibility")
def change_visibility(deployment_id: str) -> Body:
    """Let more users see a deployment."""
    visibility = parse_visibility(json_object().get("visibility"))
    set_visibility(session(), caller(), deployment_id, visibility)
    session().flush()
    return one_of(DEPLOYMENTS, deployment_id)


@blueprint.post("/deployments/<deployment_id>/set-site")
@authorize("deployment_set_site")
def change_site(deployment_id: str) -> Body:
    """Say at which site a deployment is, or with `detach_site` that it is at none."""
    body = json_object()
    site_name, detach = body.get("site_name"), flag(body.get("detach_site") or False)
    if bool(site_name) == detach:
        raise BadParameters(
            "Must provide either a `site_name` of a valid site or `detach_site` with true value "
            "for detaching the current site of the given deployment"
        )
    wanted = None if detach else check_id("site_name", site_name)
    set_site(session(), caller(), deployment_id, wanted)
    session().flush()
    return one_of(DEPLOYMENTS, deployment_id)


@authorize("deployment_create")
def _create(deployment_id: str) -> int:
    """Create the deployment; its workflow is published when this transaction is committed."""
    wanted = _parse(deployment_id, json_object())
    return create_deployment(session(), caller(), wanted).key


@authorize()
def _created(deployment_id: str) -> Body:
    return one_of(DEPLOYMENTS, deployment_id)


def _wait_for_environment(execution_key: int) -> None:
    end = wait_for_end(services().database, execution_key, timeout_s=_CREATION_TIMEOUT_S)
    if end is None:
        raise DeploymentCreationInProgress(
            "Deployment environment creation is still in progress, try again in a minute"
        )
    if end.status != "terminated":
        lines = (end.error or "The creation of its environment was cancelled").strip().splitlines()
        raise DeploymentCreationFailed(lines[-1])


def _parse(deployment_id: str, body: dict[str, Any]) -> DeploymentRequest:
    inputs = body.get("inputs")
    if not isinstance(inputs, dict | None):
        raise BadParameters("`inputs` must be an object")
    visibility = body.get("visibility")
    if visibility is None and flag_argument("private_resource"):
        visibility = "private"
    site_name = body.get("site_name")
    return DeploymentRequest(
        deployment_id=check_id("deployment_id", deployment_id, letter_first=False),
        blueprint_id=text_field(body, "blueprint_id"),
        inputs=inputs or {},
        labels=tuple(parse_labels(body.get("labels") or [])),
        visibility=None if visibility is None else parse_visibility(visibility),
        display_name=_display_name(body.get("display_name")),
        site_name=None if site_name is None else check_id("site_name", site_name),
        skip_plugins_validation=flag(body.get("skip_plugins_validation") or False),
        runtime_only_evaluation=flag(body.get("runtime_only_evaluation") or False),
        bypass_maintenance=_bypasses_maintenance(),
    )


def _display_name(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise BadParameters("`display_name` must be a text")
    return value or None


def _bypasses_maintenance() -> bool:
    return flag(request.headers.get("X-BYPASS-MAINTENANCE", "false"))
