"""What operators do to executions: cancel, kill, resume, requeue, delete."""

from collections.abc import Iterator

from sqlalchemy import func, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from manager.errors import Conflict
from manager.services.deployment_status import note_execution
from manager.services.dispatch import dispatch_kill
from manager.services.execution_errors import IllegalAction
from manager.services.execution_gate import find_blockers, take_gate
from manager.services.execution_life import (
    ExecutionPlace,
    lock_execution,
    set_status,
    start_queued,
)
from manager.services.execution_status import (
    END,
    RESUMABLE,
    WAITING,
    Cancellation,
    ExecutionStatus,
    may_cancel,
)
from manager.services.execution_tokens import IN_FLIGHT
from manager.services.executions import make_pending
from manager.services.operations import NOP
from manager.storage.models import Deployment, Execution, Node, NodeInstance, Operation, TasksGraph

_UNSUCCESSFUL = ("rescheduled", "failed")
_COMPONENT = "cloudify.nodes.Component"


def cancel_execution(session: Session, where: ExecutionPlace, how: Cancellation) -> Execution:
    """Ask an execution to end, and those of its components with it.

    One that waits has no process and ends at once. Raises IllegalAction.
    """
    components = list(_component_executions(session, where.deployment_key))
    take_gate(session, where.deployment_key, *(place.deployment_key for place in components))
    execution = lock_execution(session, where.key)
    current = ExecutionStatus(execution.status)
    if current not in WAITING and not may_cancel(current, how):
        raise IllegalAction(
            f"Can't {how.value} execution {execution.id} because it's in status {current}"
        )
    _cancel(session, execution, how)
    for place in components:
        _cancel(session, lock_execution(session, place.key), how)
    start_queued(session)
    return execution


def resume_execution(session: Session, where: ExecutionPlace, *, force: bool) -> Execution:
    """Let an execution go on from its stored task graph, and those of its components with it.

    `force` sends again what was under way when it ended. Raises Conflict in other statuses than
    failed, cancelled and, without force, started; ExistingRunningExecution beside another one.
    """
    components = list(_component_executions(session, where.deployment_key))
    take_gate(session, where.deployment_key, *(place.deployment_key for place in components))
    execution = lock_execution(session, where.key)
    current = ExecutionStatus(execution.status)
    if current not in RESUMABLE and (force or current is not ExecutionStatus.STARTED):
        action = "force-resume" if force else "resume"
        raise Conflict(f"Cannot {action} execution: `{execution.id}` in state: `{current}`")
    if blockers := find_blockers(session, execution, force=False):
        blockers.refuse()
    _resume(session, execution, force=force)
    for place in components:
        component = lock_execution(session, place.key)
        if component.status in RESUMABLE:
            _resume(session, component, force=force)
    return execution


def requeue_execution(session: Session, where: ExecutionPlace) -> Execution:
    """Let an execution that waits, or was never taken by a worker, take its turn now.

    Raises Conflict in other statuses than scheduled, queued and pending.
    """
    take_gate(session, where.deployment_key)
    execution = lock_execution(session, where.key)
    if execution.status == ExecutionStatus.PENDING:
        make_pending(session, execution)
        return execution
    if execution.status not in WAITING:
        raise Conflict(f"Cannot requeue execution: `{execution.id}` in state: `{execution.status}`")
    execution.status = ExecutionStatus.QUEUED
    session.flush()
    start_queued(session)
    return execution


def reset_operations(session: Session, execution_key: int, *, force: bool) -> None:
    """Let the operations of an execution run again that did not succeed.

    What another operation retries already stays as it is. `force` includes what was under way.
    """
    graphs = select(TasksGraph.key).where(TasksGraph.execution_key == execution_key)
    retried = select(Operation.parameters["retried_task"].astext).where(
        Operation.tasks_graph_key.in_(graphs),
        Operation.parameters["retried_task"].astext.is_not(None),
    )
    states = (*_UNSUCCESSFUL, *IN_FLIGHT) if force else _UNSUCCESSFUL
    finished = session.scalar(
        select(func.count())
        .select_from(Operation)
        .where(
            Operation.tasks_graph_key.in_(graphs),
            Operation.state.in_(_UNSUCCESSFUL),
            Operation.id.not_in(retried),
            Operation.type != NOP,
        )
    )
    session.execute(
        update(Execution)
        .where(Execution.key == execution_key)
        .values(finished_operations=Execution.finished_operations - finished),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        update(Operation)
        .where(
            Operation.tasks_graph_key.in_(graphs),
            Operation.state.in_(states),
            Operation.id.not_in(retried),
        )
        .values(
            state="pending",
            parameters=Operation.parameters.concat(literal({"current_retries": 0}, JSONB)),
        ),
        execution_options={"synchronize_session": False},
    )


def _cancel(session: Session, execution: Execution, how: Cancellation) -> None:
    current = ExecutionStatus(execution.status)
    if current in WAITING:
        set_status(session, execution, ExecutionStatus.CANCELLED, "")
    elif may_cancel(current, how):
        set_status(session, execution, how.status, "")
        if how is Cancellation.KILL:
            dispatch_kill(session, execution)


def _resume(session: Session, execution: Execution, *, force: bool) -> None:
    if execution.status in END:
        reset_operations(session, execution.key, force=force)
    execution.ended_at = None
    execution.error = ""
    execution.resume = True
    execution.owner = execution.owner_seen_at = None
    make_pending(session, execution)
    note_execution(session, execution)


def _component_executions(session: Session, deployment_key: int | None) -> Iterator[ExecutionPlace]:
    """Yield the latest executions of the deployments that are components of this one."""
    seen: set[int] = set()
    waiting = [deployment_key]
    while waiting:
        key = waiting.pop()
        if key is None or key in seen:
            continue
        seen.add(key)
        for place in _latest_of_components(session, key):
            waiting.append(place.deployment_key)
            if place.deployment_key not in seen:
                yield place


def _latest_of_components(session: Session, deployment_key: int) -> list[ExecutionPlace]:
    named = NodeInstance.runtime_properties["deployment"]["id"].astext
    query = (
        select(Deployment.key, func.max(Execution.key))
        .join(NodeInstance, named == Deployment.id)
        .join(Node, Node.key == NodeInstance.node_key)
        .join(Execution, Execution.deployment_key == Deployment.key)
        .where(
            NodeInstance.deployment_key == deployment_key,
            NodeInstance.tenant_id == Deployment.tenant_id,
            Node.type_hierarchy.contains([_COMPONENT]),
        )
        .group_by(Deployment.key)
    )
    return [ExecutionPlace(row[1], row[0]) for row in session.execute(query)]
