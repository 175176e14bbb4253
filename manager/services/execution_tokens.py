"""Execution tokens: what a workflow and its operations present while they run.

A token is a uuid4 in hex; the database knows its SHA-256 and each dispatch makes another.
"""

import hashlib
import re
import uuid

from sqlalchemy import and_, exists, func, or_

from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.storage.models import Execution, Operation, TasksGraph

IN_FLIGHT = ("sending", "sent", "started", "response-sent")  # states of operations

_FORM = re.compile(r"[0-9a-f]{32}")
_EARLY = func.make_interval(0, 0, 0, 0, 0, 1)  # a minute before and after the time scheduled

_is_about_to_start = and_(
    Execution.status == ExecutionStatus.SCHEDULED,
    Execution.scheduled_for.between(func.now() - _EARLY, func.now() + _EARLY),
)
# operations of a cancelled workflow may still run, and have to tell what they did
_has_running_operations = and_(
    Execution.status == ExecutionStatus.CANCELLED,
    exists()
    .where(Operation.tasks_graph_key == TasksGraph.key, Operation.state.in_(IN_FLIGHT))
    .where(TasksGraph.execution_key == Execution.key),
)
has_live_token = or_(
    Execution.status.in_(sorted(ACTIVE)), _is_about_to_start, _has_running_operations
)


def generate_execution_token() -> str:
    """Return a new token."""
    return uuid.uuid4().hex


def is_execution_token(text: str) -> bool:
    """Tell whether `text` has the form of an execution token."""
    return _FORM.fullmatch(text) is not None


def execution_token_hash(token: str) -> str:
    """Return what is stored of a token; it is random and long, so one fast hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
