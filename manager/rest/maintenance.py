"""/maintenance: tell and switch the cluster's maintenance mode."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, timestamp
from manager.services.maintenance import (
    activate_maintenance,
    deactivate_maintenance,
    get_maintenance,
)

blueprint = Blueprint("maintenance", __name__)

_UNCHANGED = 304


@blueprint.get("/maintenance")
@authorize("maintenance_mode_get")
def get_status() -> Body:
    """Answer the state of maintenance mode."""
    return _state()


@blueprint.post("/maintenance/activate")
@authorize("maintenance_mode_set")
def activate() -> tuple[Body, int]:
    """Switch maintenance mode on; 304 when it is on already."""
    changed = activate_maintenance(session(), caller().user_id)
    return _state(), 200 if changed else _UNCHANGED


@blueprint.post("/maintenance/deactivate")
@authorize("maintenance_mode_set")
def deactivate() -> tuple[Body, int]:
    """Switch maintenance mode off; 304 when it is off already."""
    changed = deactivate_maintenance(session())
    return _state(), 200 if changed else _UNCHANGED


def _state() -> Body:
    state = get_maintenance(session())
    return {
        "status": state.status,
        "activated_at": timestamp(state.activated_at) or "",
        "activation_requested_at": timestamp(state.requested_at) or "",
        "remaining_executions": None,
        "requested_by": state.requested_by,
    }
