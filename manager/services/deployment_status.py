"""How a deployment is, by its latest execution and its node instances."""

from sqlalchemy import ColumnElement, and_, case, exists, literal, or_, update
from sqlalchemy.orm import Session

from manager.services.deployment_tree import recalculate_above
from manager.services.execution_status import END, ExecutionStatus
from manager.storage.models import Deployment, Execution, NodeInstance

_GOOD, _IN_PROGRESS, _ATTENTION = "good", "in_progress", "requires_attention"
_ACTIVE, _INACTIVE = "active", "inactive"


def note_execution(session: Session, execution: Execution) -> None:
    """Write the deployment's statuses after a change of its latest execution's status."""
    if execution.deployment_key is None:
        return
    values = {
        "latest_execution_key": execution.key,
        "deployment_status": _worst(_own_status(execution.status)),
    }
    if execution.status in END:
        values["installation_status"] = case((_is_incomplete(), _INACTIVE), else_=_ACTIVE)
    session.execute(
        update(Deployment).where(Deployment.key == execution.deployment_key).values(values),
        execution_options={"synchronize_session": False},
    )
    recalculate_above(session, execution.deployment_key)


def _own_status(status: str) -> ColumnElement[str]:
    if status not in END:
        return literal(_IN_PROGRESS)
    if status == ExecutionStatus.FAILED:
        return literal(_ATTENTION)
    return case((_is_incomplete(), _ATTENTION), else_=_GOOD)


def _worst(own: ColumnElement[str]) -> ColumnElement[str]:
    """Return the worst of the deployment's own status and those of the deployments in it."""
    statuses = (own, Deployment.sub_services_status, Deployment.sub_environments_status)
    return case(
        (or_(*(status == _ATTENTION for status in statuses)), _ATTENTION),
        (or_(*(status == _IN_PROGRESS for status in statuses)), _IN_PROGRESS),
        else_=_GOOD,
    )


def _is_incomplete() -> ColumnElement[bool]:
    return exists().where(
        and_(NodeInstance.deployment_key == Deployment.key, NodeInstance.state != "started")
    )
