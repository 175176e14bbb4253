"""What requests say about executions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from manager.errors import BadParameters
from manager.rest.arguments import flag, moment
from manager.services.authentication import Caller
from manager.services.execution_deletion import Deletion
from manager.services.execution_restore import RestoredExecution
from manager.services.execution_status import END, ExecutionStatus
from manager.services.executions import StartOptions, WantedWorkflow

_MAX_WAIT_S = 7 * 24 * 3600
_DETAILS = ("id", "force_status", "error")
_TIMES = ("created_at", "started_at", "ended_at")


def wanted_workflow(body: Mapping[str, Any]) -> WantedWorkflow:
    """Return the workflow to start; raises BadParameters."""
    for name in ("deployment_id", "workflow_id"):
        _require(body, name)
    return WantedWorkflow(
        workflow_id=str(body["workflow_id"]),
        parameters=_parameters(body),
        options=StartOptions(
            force=_flag(body, "force"),
            queue=_flag(body, "queue"),
            dry_run=_flag(body, "dry_run"),
            allow_custom_parameters=_flag(body, "allow_custom_parameters"),
            wait_after_fail_s=_wait_after_fail(body),
            scheduled_for=_scheduled(body.get("scheduled_time")),
        ),
    )


def restored_execution(body: Mapping[str, Any], caller: Caller) -> RestoredExecution | None:
    """Return an execution as a snapshot tells of it, if the request has such details.

    Raises Forbidden unless the caller may set them.
    """
    if body.get("created_by"):
        caller.require("set_owner")
    if any(body.get(name) for name in _TIMES):
        caller.require("set_timestamp")
    if any(body.get(name) for name in _DETAILS):
        caller.require("set_execution_details")
    if not body.get("force_status"):
        return None
    _require(body, "workflow_id")
    return RestoredExecution(
        id=_optional_text(body, "id"),
        deployment_id=_optional_text(body, "deployment_id"),
        workflow_id=str(body["workflow_id"]),
        parameters=_parameters(body),
        status=_status(body["force_status"]),
        error=_optional_text(body, "error"),
        created_by=_optional_text(body, "created_by"),
        is_dry_run=_flag(body, "dry_run"),
        is_system_workflow=_flag(body, "is_system_workflow"),
        allow_custom_parameters=_flag(body, "allow_custom_parameters"),
        **{name: moment(name, str(body[name])) for name in _TIMES if body.get(name)},
    )


def reported_status(body: Mapping[str, Any]) -> tuple[ExecutionStatus, str | None]:
    """Return the status and error that a worker reports."""
    _require(body, "status")
    return _status(body["status"]), _optional_text(body, "error")


def deletion_of(arguments: "MultiDict[str, str]", body: object) -> Deletion:
    """Return which executions to delete; raises BadParameters."""
    said = body if isinstance(body, dict) else {}
    keep_last, until = said.get("keep_last"), said.get("to_datetime")
    if keep_last is not None and until is not None:
        raise BadParameters("Give either `to_datetime` or `keep_last`, not both")
    if keep_last is not None and (type(keep_last) is not int or keep_last <= 0):
        raise BadParameters(f"`keep_last` is not a number greater than 0: {keep_last!r}")
    statuses = [_status(status) for status in arguments.getlist("status")] or sorted(END)
    if foreign := [status.value for status in statuses if status not in END]:
        raise BadParameters(
            f"Executions that are {', '.join(foreign)} cannot be deleted. "
            f"Allowed statuses are: {', '.join(sorted(END))}"
        )
    return Deletion(
        statuses=tuple(statuses),
        deployment_ids=tuple(arguments.getlist("deployment_id")),
        workflow_ids=tuple(arguments.getlist("workflow_id")),
        keep_last=keep_last,
        until=moment("to_datetime", _zoned(until)) if until is not None else None,
        all_tenants=flag(arguments.get("_all_tenants", False)),
    )


def _require(body: Mapping[str, Any], name: str) -> None:
    if not body.get(name):
        raise BadParameters(f"Missing {name} in json request body")


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    parameters = body.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise BadParameters("`parameters` of an execution is not an object")
    return parameters


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    return False if value is None else flag(value)


def _wait_after_fail(body: Mapping[str, Any]) -> int:
    value = body.get("wait_after_fail")
    if value is None:
        return 600
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds <= _MAX_WAIT_S:
        raise BadParameters(f"`wait_after_fail` is not a number of seconds: {value!r}")
    return seconds


def _optional_text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return None if value in (None, "") else str(value).replace("\0", "")


def _status(value: object) -> ExecutionStatus:
    try:
        return ExecutionStatus(str(value))
    except ValueError as error:
        known = ", ".join(ExecutionStatus)
        raise BadParameters(f"{value!r} is not a status. Valid statuses are: {known}") from error


def _scheduled(value: object) -> datetime | None:
    """Return a time in the client's form, 201801012230-0500, or in ISO 8601."""
    if value is None or value == "":
        return None
    try:
        return datetime.strptime(str(value), "%Y%m%d%H%M%z")
    except ValueError:
        return moment("scheduled_time", _zoned(value))


def _zoned(value: object) -> str:
    """Return a time's text with its zone: the client's have none and mean UTC."""
    text = str(value)
    has_zone = text.endswith("Z") or "+" in text[10:] or "-" in text[10:]
    return text if has_zone else f"{text}+00:00"
