"""/executions: start workflows, follow them, cancel and resume them."""

from flask import Blueprint, Response, jsonify, request

from manager.errors import BadParameters
from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.execution_requests import (
    deletion_of,
    reported_status,
    restored_execution,
    wanted_workflow,
)
from manager.rest.views import listing_of, one_of
from manager.services.execution_actions import (
    cancel_execution,
    requeue_execution,
    resume_execution,
)
from manager.services.execution_deletion import delete_executions
from manager.services.execution_life import follow_up, report_status, visible_place
from manager.services.execution_restore import restore_execution
from manager.services.execution_status import Cancellation
from manager.services.executions import (
    deployment_of,
    require_progress,
    should_start,
    start_workflow,
)
from manager.services.resources import find
from manager.storage.models import Execution
from manager.storage.views.executions import EXECUTIONS

blueprint = Blueprint("executions", __name__)

_ACTIONS = (*Cancellation, "resume", "force-resume", "requeue")


@blueprint.get("/executions")
@authorize("execution_list")
def get_all() -> Body | list[Body]:
    """Answer executions; those of system-wide workflows only when they are asked for."""
    where = []
    if not flag_argument("_include_system_workflows") and "is_system_workflow" not in request.args:
        where.append(Execution.is_system_workflow.is_(False))
    return listing_of(EXECUTIONS, *where)


@blueprint.post("/executions")
@authorize("execution_start")
def create() -> tuple[Body, int]:
    """Start, queue or schedule a workflow."""
    body = json_object()
    require_progress(session(), caller())
    if restored := restored_execution(body, caller()):
        execution = restore_execution(session(), caller(), restored)
        return one_of(EXECUTIONS, execution.id), 201
    wanted = wanted_workflow(body)
    deployment = deployment_of(session(), caller(), body.get("deployment_id"))
    execution = start_workflow(session(), caller(), deployment, wanted)
    session().flush()
    return one_of(EXECUTIONS, execution.id), 201


@blueprint.delete("/executions")
@authorize("execution_delete")
def delete() -> Body:
    """Delete ended executions and answer how many."""
    count = delete_executions(
        session(), caller(), deletion_of(request.args, request.get_json(silent=True))
    )
    pagination = {"total": count, "size": 1000, "offset": 0}
    return {"items": [{"count": count}], "metadata": {"pagination": pagination, "filtered": None}}


@blueprint.get("/executions/<execution_id>")
@authorize("execution_get")
def get_one(execution_id: str) -> Body:
    """Answer an execution."""
    return one_of(EXECUTIONS, execution_id)


@blueprint.post("/executions/<execution_id>")
@authorize("execution_cancel")
def act(execution_id: str) -> Body:
    """Cancel, kill, resume or requeue an execution."""
    action = str(json_object().get("action"))
    if action not in _ACTIONS:
        raise BadParameters(f"Invalid action: {action}. It is one of: {', '.join(_ACTIONS)}")
    where = visible_place(session(), caller(), execution_id)
    if action in ("resume", "force-resume"):
        resume_execution(session(), where, force=action == "force-resume")
    elif action == "requeue":
        requeue_execution(session(), where)
    else:
        cancel_execution(session(), where, Cancellation(action))
    session().flush()
    return one_of(EXECUTIONS, execution_id)


@blueprint.patch("/executions/<execution_id>")
@authorize("execution_status_update")
def update(execution_id: str) -> Body:
    """Write the status that a worker reports."""
    status, error = reported_status(json_object())
    execution = report_status(
        session(), visible_place(session(), caller(), execution_id), status, error
    )
    answer = one_of(EXECUTIONS, execution_id)
    follow_up(session(), execution)
    return answer


@blueprint.get("/executions/<execution_id>/should-start")
@authorize("execution_should_start")
def get_should_start(execution_id: str) -> Response:
    """Answer whether nothing stands in the execution's way."""
    return jsonify(should_start(session(), find(session(), caller(), Execution, execution_id)))
