"""The events that tell of operations' changes of state, in the words that clients know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import orjson

from manager.services.plain_json import without_nul

_EVENT_TYPES: Mapping[str, str] = {
    "sending": "sending_task",
    "started": "task_started",
    "succeeded": "task_succeeded",
    "rescheduled": "task_rescheduled",
    "failed": "task_failed",
}
_KINDS: Mapping[str, str] = {"RemoteWorkflowTask": "Task", "SubgraphTask": "Subgraph"}


class Task(Protocol):
    """What an event needs to know of an operation."""

    name: str
    type: str
    current_retries: Any
    total_retries: Any
    operation: Any
    subject: Any


class Change(Protocol):
    """What an event needs to know of a change of state."""

    @property
    def state(self) -> str:
        """Return the new state."""

    @property
    def result(self) -> Any:
        """Return what the task returned."""

    @property
    def exception(self) -> str | None:
        """Return why the task failed."""

    @property
    def exception_causes(self) -> Any:
        """Return the errors that led to that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    """The columns of an event; without an `event_type` there is nothing to tell."""

    event_type: str | None = None
    message: str | None = None
    operation: str | None = None
    node_id: str | None = None
    source_id: str | None = None
    target_id: str | None = None
    error_causes: str | None = None

    def values(self) -> dict[str, Any]:
        """Return the columns by name."""
        return asdict(self)


def task_event(task: Task, change: Change) -> TaskEvent:
    """Return the event of a task that is run by a worker, or of a subgraph."""
    event_type = _EVENT_TYPES.get(change.state)
    if task.type not in _KINDS or event_type is None:
        return TaskEvent()
    causes = without_nul(change.exception_causes)
    subject = task.subject if task.type == "RemoteWorkflowTask" else {}
    return TaskEvent(
        event_type=event_type,
        message=_message(task, change).replace("\0", ""),
        operation=task.operation,
        node_id=subject.get("node_id"),
        source_id=subject.get("source_id"),
        target_id=subject.get("target_id"),
        error_causes=orjson.dumps(causes).decode() if isinstance(causes, list) else None,
    )


def node_event(task_kwargs: Mapping[str, Any]) -> TaskEvent:
    """Return the event that a workflow sends of a node instance."""
    return TaskEvent(
        event_type="workflow_node_event",
        message=str(task_kwargs.get("event")),
        node_id=task_kwargs.get("node_instance_id"),
    )


def _message(task: Task, change: Change) -> str:
    kind = _KINDS[task.type]
    if change.state == "sending":
        message = f"Sending task '{task.name}'"
    else:
        message = f"{kind} {change.state} '{task.name}'"
    if change.state == "succeeded" and change.result is not None:
        message += f" - {change.result}"
    if change.state in ("rescheduled", "failed") and change.exception:
        message += f" -> {change.exception}"
    return message + _retry(task.current_retries, task.total_retries)


def _retry(current: Any, total: Any) -> str:
    if not isinstance(current, int) or current <= 0:
        return ""
    limit = f"/{total}" if isinstance(total, int) and total >= 0 else ""
    return f" [retry {current}{limit}]"
