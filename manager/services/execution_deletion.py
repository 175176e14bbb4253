"""Delete ended executions."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from manager.services.authentication import Caller
from manager.services.execution_status import ExecutionStatus
from manager.storage.models import Deployment, Execution
from manager.storage.scope import readable, writable

_CREATE = "create_deployment_environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Which executions to delete; `keep_last` of the newest of them stay."""

    statuses: tuple[ExecutionStatus, ...]
    deployment_ids: tuple[str, ...] = ()
    workflow_ids: tuple[str, ...] = ()
    keep_last: int | None = None
    until: datetime | None = None
    all_tenants: bool = False


def delete_executions(session: Session, caller: Caller, wanted: Deletion) -> int:
    """Delete executions that the caller may change and return how many.

    The execution that made a deployment's environment stays, as long as it is the only one.
    """
    conditions = list(_conditions(caller, wanted))
    doomed = select(Execution.key).where(*conditions, not_(_made_environment()))
    if wanted.keep_last is not None:
        newest_first = doomed.order_by(Execution.key.desc()).offset(wanted.keep_last)
        doomed = newest_first
    found = session.execute(
        delete(Execution).where(Execution.key.in_(doomed)),
        execution_options={"synchronize_session": False},
    )
    return int(found.rowcount)  # type: ignore[attr-defined]


def _conditions(caller: Caller, wanted: Deletion) -> list[ColumnElement[bool]]:
    if wanted.all_tenants and caller.is_admin:
        scope = readable(Execution, caller, all_tenants=True)
    else:
        caller.require_tenant()
        scope = writable(Execution, caller)
    conditions = [scope, Execution.status.in_(wanted.statuses)]
    if wanted.deployment_ids:
        deployments = select(Deployment.key).where(Deployment.id.in_(wanted.deployment_ids))
        conditions.append(Execution.deployment_key.in_(deployments))
    if wanted.workflow_ids:
        conditions.append(Execution.workflow_id.in_(wanted.workflow_ids))
    if wanted.until is not None:
        conditions.append(Execution.created_at < wanted.until)
    return conditions


def _made_environment() -> ColumnElement[bool]:
    """Return the condition that an execution is the last that made its deployment's environment."""
    other = aliased(Execution)
    later = (
        select(func.max(other.key))
        .where(
            other.deployment_key == Execution.deployment_key,
            other.workflow_id == _CREATE,
            other.status == ExecutionStatus.TERMINATED,
        )
        .correlate(Execution)
        .scalar_subquery()
    )
    return and_(
        Execution.workflow_id == _CREATE,
        Execution.status == ExecutionStatus.TERMINATED,
        or_(later.is_(None), Execution.key == later),
    )
