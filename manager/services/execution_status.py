"""The statuses of an execution, and which may follow which."""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    """Where an execution is in its life."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PENDING = "pending"
    STARTED = "started"
    CANCELLING = "cancelling"
    FORCE_CANCELLING = "force_cancelling"
    KILL_CANCELLING = "kill_cancelling"
    TERMINATED = "terminated"
    FAILED = "failed"
    CANCELLED = "cancelled"


WAITING = frozenset({ExecutionStatus.SCHEDULED, ExecutionStatus.QUEUED})
END = frozenset({ExecutionStatus.TERMINATED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})
ACTIVE = frozenset(ExecutionStatus) - WAITING - END
RESUMABLE = frozenset({ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})

_REPORTABLE = frozenset(ExecutionStatus) - WAITING
_WITHOUT_SUCCESS = frozenset({ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})
_CANCEL_REQUESTS = frozenset({ExecutionStatus.CANCELLING, ExecutionStatus.FORCE_CANCELLING})


def may_report(current: ExecutionStatus, wanted: ExecutionStatus) -> bool:
    """Tell whether a worker may report `wanted` of an execution that is `current`.

    An end is final, and a request to cancel cannot be taken back by progress. No worker has an
    execution that waits, and only the manager itself lets one wait.
    """
    if current in END:
        return False
    if current in WAITING or current in _CANCEL_REQUESTS:
        return wanted in _WITHOUT_SUCCESS
    if current is ExecutionStatus.KILL_CANCELLING:
        # the workflow may have ended on its own before the signal reached it
        return wanted in END
    return wanted in _REPORTABLE


class Cancellation(StrEnum):
    """How urgently an execution is cancelled: the action's name in a request."""

    CANCEL = "cancel"
    FORCE = "force-cancel"
    KILL = "kill"

    @property
    def status(self) -> ExecutionStatus:
        """Return the status of an execution for which this was requested."""
        return {
            Cancellation.CANCEL: ExecutionStatus.CANCELLING,
            Cancellation.FORCE: ExecutionStatus.FORCE_CANCELLING,
            Cancellation.KILL: ExecutionStatus.KILL_CANCELLING,
        }[self]


def may_cancel(current: ExecutionStatus, how: Cancellation) -> bool:
    """Tell whether an execution that is `current` may be asked to end in this way.

    More urgent requests overtake less urgent ones; ended executions stay as they are.
    """
    if current in END:
        return False
    if how is Cancellation.KILL:
        return True
    if current in (ExecutionStatus.PENDING, ExecutionStatus.STARTED):
        return True
    return how is Cancellation.FORCE and current is ExecutionStatus.CANCELLING


def shown_status(status: str) -> str:
    """Return `status_display`: what people read instead of `terminated`."""
    return "completed" if status == ExecutionStatus.TERMINATED else status
