"""What workers report of executions, and what follows when one ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, func, select, text
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from manager.errors import NotFound, RequestError
from manager.services.authentication import Caller
from manager.services.deployment_status import note_execution
from manager.services.deployment_tree import parent_keys, recalculate
from manager.services.event_store import write_event
from manager.services.execution_errors import InvalidExecutionStatus
from manager.services.execution_gate import (
    IS_ACTIVE,
    IS_QUEUED,
    free_slots,
    lock_deployments,
    take_gate,
)
from manager.services.execution_status import END, ExecutionStatus, may_report
from manager.services.executions import make_pending, prepare
from manager.services.upload_end import end_upload
from manager.services.workflow_availability import require_available
from manager.services.workflow_context import workflow_of
from manager.storage.models import EVENT, Deployment, Execution
from manager.storage.prepared import Prepared

_LOCK_EXECUTION = (
    select(Execution)
    .where(Execution.key == bindparam("key"))
    .with_for_update(key_share=True)  # events may refer to it meanwhile
    .execution_options(populate_existing=True)
)
_VISIBLE = Prepared(
    text(
        """
        SELECT key, deployment_key FROM executions
        WHERE id = :id AND tenant_id = :tenant_id
            AND (:sees_private OR visibility <> 'private' OR creator_id = :user_id)
        """
    )
)
_SET_STATUS = Prepared(
    text(
        """
        UPDATE executions SET status = :status, error = :error,
            started_at = CASE WHEN :has_started THEN clock_timestamp() ELSE started_at END,
            ended_at = CASE WHEN :has_ended THEN clock_timestamp() ELSE ended_at END
        WHERE key = :key
        """
    )
)


@dataclass(frozen=True, slots=True)
class ExecutionPlace:
    """What must be locked for an execution: its deployment, then itself."""

    key: int
    deployment_key: int | None


_DELETE_ENVIRONMENT = "delete_deployment_environment"


def report_status(
    session: Session, where: ExecutionPlace, status: ExecutionStatus, error: str | None = None
) -> Execution:
    """Write the status that a worker reports; call `follow_up` in the same transaction.

    Raises InvalidExecutionStatus when it cannot follow the present one.
    """
    if status in END:
        take_gate(session, where.deployment_key)
    else:
        lock_deployments(session, where.deployment_key)
    execution = lock_execution(session, where.key)
    current = ExecutionStatus(execution.status)
    if not may_report(current, status):
        raise InvalidExecutionStatus(
            f"Invalid relationship - can't change status from {current} to {status} for "
            f'"{execution.id}" execution while running "{execution.workflow_id}" workflow.'
        )
    set_status(session, execution, status, error or "")
    return execution


def follow_up(session: Session, execution: Execution) -> None:
    """Do what the end of an execution brings: what waited begins; a deleted deployment goes.

    The execution itself goes with its deployment, so its reply is made before.
    """
    if execution.status not in END:
        return
    end_upload(session, execution)
    if _ends_deployment(execution) and execution.deployment_key is not None:
        environments = parent_keys(session, execution.deployment_key)
        session.execute(
            delete(Deployment).where(Deployment.key == execution.deployment_key),
            execution_options={"synchronize_session": False},
        )
        recalculate(session, environments)
    start_queued(session)


def finish(
    session: Session, execution_key: int, status: ExecutionStatus, error: str | None = None
) -> None:
    """Report a status and do what follows from it, for those who answer nobody."""
    where = place_of(session, Execution.key == execution_key)
    follow_up(session, report_status(session, where, status, error))


def place_of(session: Session, *where: ColumnElement[bool]) -> ExecutionPlace:
    """Return the keys of the execution that the conditions name, unlocked; raises NotFound."""
    query = select(Execution.key, Execution.deployment_key).where(*where)
    found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound("The requested `Execution` was not found")
    return ExecutionPlace(found.key, found.deployment_key)


def visible_place(session: Session, caller: Caller, execution_id: str) -> ExecutionPlace:
    """Return the keys of an execution that the caller may change, unlocked; raises NotFound."""
    values = {
        "id": execution_id,
        "tenant_id": caller.require_tenant(),
        "user_id": caller.user_id,
        "sees_private": caller.sees_private,
    }
    found = _VISIBLE.row(session, **values)
    if found is None:
        raise NotFound.of("Execution", execution_id)
    return ExecutionPlace(found.key, found.deployment_key)


def expect_end(session: Session, *where: ColumnElement[bool]) -> None:
    """Take the locks that an end needs, for those who lock the execution before they call `finish`.

    The order of locks wants these first; an execution that is gone needs none.
    """
    query = select(Execution.deployment_key).where(*where)
    found = session.execute(query).one_or_none()
    if found is not None:
        take_gate(session, found.deployment_key)


def set_status(
    session: Session, execution: Execution, status: ExecutionStatus, error: str | None
) -> None:
    """Write a status with its times, and what it means for the deployment."""
    session.flush()
    _SET_STATUS.count(
        session,
        key=execution.key,
        status=status.value,
        error=error,
        has_started=status is ExecutionStatus.STARTED,
        has_ended=status in END,
    )
    set_committed_value(execution, "status", status.value)
    set_committed_value(execution, "error", error)
    if not _ends_deployment(execution):
        note_execution(session, execution)


def lock_execution(session: Session, execution_key: int) -> Execution:
    """Return an execution as it is now, locked until the transaction ends."""
    found = session.scalars(_LOCK_EXECUTION, {"key": execution_key}).one_or_none()
    if found is None:
        raise NotFound.of("Execution", str(execution_key))
    return found


def start_queued(session: Session) -> int:
    """Start the queued executions that may run now, in the order they came; return how many.

    Call it inside the gate. A system-wide one that waits is served before all others, alone.
    """
    started = 0
    for execution in _candidates(session):
        started += _start(session, execution)
    return started


def start_due(session: Session) -> int:
    """Start, or queue, the scheduled executions whose time has come; return how many."""
    take_gate(session)
    due = session.scalars(
        select(Execution)
        .where(
            Execution.status == ExecutionStatus.SCHEDULED,
            Execution.scheduled_for <= func.clock_timestamp(),
        )
        .order_by(Execution.scheduled_for)
        .with_for_update()
    ).all()
    for execution in due:
        execution.status = ExecutionStatus.QUEUED
    session.flush()
    if due:
        start_queued(session)
    return len(due)


@dataclass(slots=True)
class _Room:
    """What else may start in this pass."""

    slots: int
    deployments: set[int]


def _candidates(session: Session) -> Sequence[Execution]:
    queue = select(Execution).where(IS_QUEUED).order_by(Execution.key)
    active = select(func.count()).select_from(Execution).where(IS_ACTIVE)
    alone = session.scalars(queue.where(Execution.is_system_workflow).limit(1)).first()
    if alone is not None:
        return [] if session.scalar(active) else [alone]
    if session.scalar(active.where(Execution.is_system_workflow)):
        return []
    room = _Room(slots=free_slots(session), deployments=_busy_deployments(session))
    return [execution for execution in session.scalars(queue) if _fits(execution, room)]


def _busy_deployments(session: Session) -> set[int]:
    query = select(Execution.deployment_key).where(IS_ACTIVE, Execution.deployment_key.is_not(None))
    return {key for key in session.scalars(query) if key is not None}


def _fits(execution: Execution, room: _Room) -> bool:
    if not room.slots or execution.deployment_key in room.deployments:
        return False
    room.slots -= 1
    if execution.deployment_key is not None:
        room.deployments.add(execution.deployment_key)
    return True


def _start(session: Session, execution: Execution) -> bool:
    """Start a queued execution; it fails if the deployment has changed so that it cannot run."""
    try:
        if execution.deployment_key is not None and not execution.is_system_workflow:
            _check_again(session, execution)
    except RequestError as error:
        _fail_unstarted(execution, str(error))
        write_event(session, execution, EVENT, event_type="workflow_failed", message=str(error))
        return False
    make_pending(session, execution)
    return True


def _fail_unstarted(execution: Execution, error: str) -> None:
    # the deployment's statuses stay: it was not touched, and its row is not locked here
    execution.status = ExecutionStatus.FAILED
    execution.error = error
    execution.ended_at = func.clock_timestamp()


def _check_again(session: Session, execution: Execution) -> None:
    deployment = session.get_one(Deployment, execution.deployment_key)
    prepare(session, execution, deployment)
    workflow = workflow_of(deployment, execution.workflow_id)
    require_available(session, deployment, execution.workflow_id, workflow)


def _ends_deployment(execution: Execution) -> bool:
    return (
        execution.workflow_id == _DELETE_ENVIRONMENT
        and execution.status == ExecutionStatus.TERMINATED
        and execution.deployment_key is not None
    )
