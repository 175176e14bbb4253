"""Operations: the tasks of stored graphs, and what their changes of state bring."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from manager.errors import Conflict, NotFound
from manager.services.authentication import Caller
from manager.services.operation_events import TaskEvent, node_event, task_event

TERMINATED = frozenset({"succeeded", "failed", "rescheduled"})
NOP = "NOPLocalWorkflowTask"

_LOCK = """
    SELECT o.key, o.id, o.state, o.name, o.type, g.execution_key,
        o.parameters -> 'current_retries' AS current_retries,
        o.parameters -> 'total_retries' AS total_retries,
        CASE WHEN o.type = 'RemoteWorkflowTask'
            THEN o.parameters #> '{task_kwargs,kwargs,__cloudify_context,operation,name}'
            END AS operation,
        CASE WHEN o.type = 'RemoteWorkflowTask' THEN jsonb_build_object(
            'node_id', o.parameters #> '{task_kwargs,kwargs,__cloudify_context,node_id}',
            'source_id', o.parameters #> '{task_kwargs,kwargs,__cloudify_context,source_id}',
            'target_id', o.parameters #> '{task_kwargs,kwargs,__cloudify_context,target_id}')
            ELSE o.parameters -> 'task_kwargs' END AS subject
    FROM operations AS o JOIN tasks_graphs AS g ON g.key = o.tasks_graph_key
        JOIN executions AS x ON x.key = g.execution_key
    WHERE o.id = :id AND o.tenant_id = :tenant_id
    FOR NO KEY UPDATE OF
    """
_LOCK_OPERATION = text(f"{_LOCK} o")
_LOCK_BOTH = text(f"{_LOCK} x, o")  # an end is counted; executions are locked before operations
# Everything that follows from a change of state, in one round trip.
_CHANGE = text(
    """
    WITH changed AS (
        UPDATE operations SET state = :state,
            manager_name = coalesce(CAST(:manager_name AS text), manager_name),
            agent_name = coalesce(CAST(:agent_name AS text), agent_name)
        WHERE key = :key
    ), instance AS (
        UPDATE node_instances SET state = :instance_state, version = version + 1,
            system_properties =
                CAST(:health AS jsonb) || coalesce(system_properties, CAST('{}' AS jsonb)),
            is_status_check_ok = is_status_check_ok OR (CAST(:health AS jsonb) ? 'status'
                AND NOT coalesce(system_properties, CAST('{}' AS jsonb)) ? 'status')
        WHERE id = :instance_id AND tenant_id = :tenant_id
    ), counted AS (
        UPDATE executions SET finished_operations = coalesce(finished_operations, 0) + 1
        WHERE key = :execution_key AND :is_counted
    )
    INSERT INTO events (kind, tenant_id, creator_id, visibility, execution_key, timestamp,
        message, event_type, operation, node_id, source_id, target_id, error_causes,
        manager_name, agent_name)
    SELECT 'cloudify_event', tenant_id, creator_id, visibility, key, clock_timestamp(),
        :message, :event_type, :operation, :node_id, :source_id, :target_id,
        CAST(:error_causes AS jsonb), :manager_name, :agent_name
    FROM executions WHERE key = :execution_key AND CAST(:event_type AS text) IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """What a worker or a workflow reports of an operation."""

    state: str
    result: Any = None
    exception: str | None = None
    exception_causes: Any = None
    manager_name: str | None = None
    agent_name: str | None = None


def change_state(session: Session, caller: Caller, operation_id: str, change: StateChange) -> None:
    """Write an operation's state, count it when it ends, and write what its success means.

    The same end twice changes nothing. Raises Conflict for another state after the end: only a
    resume lets an operation run again.
    """
    values = {"id": operation_id, "tenant_id": caller.require_tenant()}
    lock = _LOCK_BOTH if change.state in TERMINATED else _LOCK_OPERATION
    found = session.execute(lock, values).one_or_none()
    if found is None:
        raise NotFound.of("Operation", operation_id)
    if found.state in TERMINATED:
        if found.state != change.state:
            raise Conflict(
                f"Operation `{operation_id}` has ended as `{found.state}`: it cannot become "
                f"`{change.state}`"
            )
        return
    event = _event(found, change) if caller.execution_key is not None else TaskEvent()
    session.execute(
        _CHANGE,
        {
            "key": found.key,
            "state": change.state,
            "tenant_id": values["tenant_id"],
            "execution_key": found.execution_key,
            "is_counted": change.state in TERMINATED and found.type != NOP,
            "manager_name": change.manager_name,
            "agent_name": change.agent_name,
            **_instance_values(found, change),
            **event.values(),
        },
    )


def _event(found: Row[Any], change: StateChange) -> TaskEvent:
    if found.type == "SendNodeEventTask" and change.state == "succeeded":
        return node_event(found.subject or {})
    return task_event(found, change)


def _instance_values(found: Row[Any], change: StateChange) -> dict[str, Any]:
    """Return what the success of a task that sets a node instance's state means."""
    subject: Mapping[str, Any] = found.subject or {}
    applies = found.type == "SetNodeInstanceStateTask" and change.state == "succeeded"
    state = subject.get("state") if applies else None
    return {
        "instance_id": subject.get("node_instance_id") if applies else None,
        "instance_state": state,
        "health": orjson.dumps(_first_health(state)).decode(),
    }


def _first_health(state: str | None) -> dict[str, Any]:
    """Return what an instance that has just come to `state` is said to be until it is checked."""
    good = {"ok": True, "result": None, "task": None, "timestamp": datetime.now(UTC).isoformat()}
    if state == "configured":
        return {"configuration_drift": good}
    if state == "started":
        return {"previous_status": None, "status": good}
    return {}
