"""Run operations: what to do with a message of the queue `cloudify.management_operation`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy.orm import Session

from manager.broker.publish import Unroutable
from manager.broker.topology import MANAGEMENT
from manager.services.execution_status import ACTIVE
from manager.services.operations import StateChange, change_state
from manager.storage.models import Operation
from manager.worker.claims import (
    RENEWAL_S,
    Reference,
    acting_for,
    claim,
    find_execution,
    find_operation,
    is_free,
    release,
)
from manager.worker.context import Stopping, Worker
from manager.worker.error_payloads import lost, timed_out
from manager.worker.processes import TaskFailed, TaskKilled, TaskLost, TaskTimedOut
from manager.worker.runner import Job
from manager.worker.workflows import context_of

_STARTED, _ANSWERED = "started", "response-sent"
_FINISHED = frozenset({_ANSWERED, "succeeded", "failed", "rescheduled"})

Reply = dict[str, Any]

logger = logging.getLogger(__name__)


class Decision(Enum):
    """What is to be done with a message."""

    RUN = auto()
    RUN_AGAIN = auto()
    WAIT = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision, and the operation's row if its workflow stored one."""

    decision: Decision
    operation_key: int | None = None


def operation_key(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what identifies the message, and its execution."""
    context = context_of(body)
    return context["task_id"], context["execution_id"]


def run_operation(worker: Worker, job: Job) -> None:
    """Run the operation of a message, reply, note that, and acknowledge, in this order.

    So a worker's death at any point brings the message, and so an answer, once more; what has been
    answered is not run again.
    """
    try:
        taken = _take_when_free(worker, job)
        if taken.decision is not Decision.DROP:
            reply = _run(worker, job, is_repeated=taken.decision is Decision.RUN_AGAIN)
            if reply is not None:
                _answer(worker, job, reply)
            worker.store(lambda session: _note_answer(session, taken.operation_key))
    except Stopping:
        return  # not acknowledged: another worker gets it
    job.delivery.acknowledge()


def _take_when_free(worker: Worker, job: Job) -> Taken:
    context = context_of(job.delivery.body)
    while True:
        taken = worker.store(lambda session: _take(session, worker, context))
        if taken.decision is not Decision.WAIT:
            return taken
        if worker.stopping.wait(RENEWAL_S):
            raise Stopping("another worker still runs the operation")


def _take(session: Session, worker: Worker, context: Mapping[str, Any]) -> Taken:
    execution = find_execution(session, Reference.of(context))
    if execution is None or execution.status not in ACTIVE:
        return Taken(Decision.DROP)
    operation = find_operation(session, execution, context["task_id"])
    if operation is None:
        return Taken(Decision.RUN)
    if operation.state in _FINISHED:
        return Taken(Decision.DROP)
    if not is_free(session, operation, worker.identity):
        return Taken(Decision.WAIT)
    was_started = operation.state == _STARTED
    claim(operation, worker.identity)
    session.flush()
    change = StateChange(state=_STARTED, manager_name=worker.identity.manager)
    change_state(session, acting_for(execution, context), operation.id, change)
    return Taken(Decision.RUN_AGAIN if was_started else Decision.RUN, operation.key)


def _run(worker: Worker, job: Job, *, is_repeated: bool) -> Reply | None:
    """Return the reply; none if the execution no longer wants one."""
    context = context_of(job.delivery.body)
    timeout_s = context.get("timeout")
    try:
        job.task = worker.environments.start(_request(job, is_repeated=is_repeated))
        if job.is_cancelled:
            job.task.terminate()
        return {"ok": True, "result": job.task.wait(timeout_s and float(timeout_s))}
    except TaskFailed as error:
        return {"ok": False, "error": dict(error.payload)}
    except TaskTimedOut:
        return {
            "ok": False,
            "error": timed_out(timeout_s, bool(context.get("timeout_recoverable"))),
        }
    except (TaskLost, TaskKilled) as error:
        if worker.stopping.is_set():
            raise Stopping("its process was ended with the worker") from error
        return None if isinstance(error, TaskKilled) else {"ok": False, "error": lost(str(error))}
    except Exception as error:  # the edge: its workflow waits for an answer, whatever went wrong
        logger.exception("operation %s could not be run", job.key)
        return {"ok": False, "error": lost(f"The worker could not run it: {error}")}


def _request(job: Job, *, is_repeated: bool) -> dict[str, Any]:
    kwargs = dict(job.delivery.body["cloudify_task"]["kwargs"])
    context = dict(kwargs.pop("__cloudify_context"))
    if is_repeated:  # then it runs only if its author says that it may
        context["resume"] = True
    return {"kind": "dispatch", "context": context, "kwargs": kwargs}


def _answer(worker: Worker, job: Job, reply: Reply) -> None:
    delivery = job.delivery
    if delivery.reply_to is None:
        return
    try:
        worker.publish(MANAGEMENT, delivery.reply_to, reply, correlation_id=delivery.correlation_id)
    except Unroutable:
        logger.info("nobody waits for the answer of operation %s", job.key)


def _note_answer(session: Session, key: int | None) -> None:
    operation = key and session.get(Operation, key, with_for_update=True)
    if operation:
        release(operation)
        if operation.state == _STARTED:  # its workflow may have been faster
            operation.state = _ANSWERED
