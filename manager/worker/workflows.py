"""Run workflows: what to do with a message of the queue `cloudify.management_workflow`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from manager.services.event_store import write_event
from manager.services.execution_life import expect_end, finish
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.storage.models import EVENT, Execution, Operation, TasksGraph
from manager.worker.claims import RENEWAL_S, Reference, claim, find_execution, is_free, release
from manager.worker.context import Stopping, Worker
from manager.worker.processes import TaskFailed, TaskKilled, TaskLost
from manager.worker.runner import Job

SYSTEM_PREFIX = "cloudify_system_workflows."
_RUN_SYSTEM = "manager.worker.system.run"
_CONTEXT = "__cloudify_context"
_CANCELLATIONS = frozenset(
    {
        ExecutionStatus.CANCELLING,
        ExecutionStatus.FORCE_CANCELLING,
        ExecutionStatus.KILL_CANCELLING,
    }
)

logger = logging.getLogger(__name__)


class Decision(Enum):
    """What is to be done with a message."""

    RUN = auto()
    RESUME = auto()
    WAIT = auto()
    DROP = auto()


@dataclass(frozen=True, slots=True)
class Taken:
    """A decision, and the execution that it is about."""

    decision: Decision
    execution_key: int = 0


def workflow_key(body: Mapping[str, Any]) -> tuple[str, str]:
    """Return what identifies the message, and its execution."""
    context = context_of(body)
    return f"{context['execution_id']}", context["execution_id"]


def context_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `__cloudify_context` of a message."""
    context: dict[str, Any] = body["cloudify_task"]["kwargs"][_CONTEXT]
    return context


def run_workflow(worker: Worker, job: Job) -> None:
    """Run the workflow of a message to its end, however that comes, and acknowledge."""
    reference = Reference.of(context_of(job.delivery.body))
    try:
        taken = _take_when_free(worker, job, reference)
        if taken.decision is not Decision.DROP:
            is_resumed = taken.decision is Decision.RESUME
            reason = _run(worker, job, is_resumed=is_resumed)
            worker.store(lambda session: _settle(session, taken.execution_key, reference, reason))
    except Stopping:
        return  # not acknowledged: whoever gets it resumes it
    job.delivery.acknowledge()


def cancel_lost(worker: Worker, reference: Reference) -> None:
    """Write that an execution is cancelled whose process does not run, or no longer."""

    def write(session: Session) -> None:
        expect_end(session, *reference.names)
        execution = find_execution(session, reference)
        if execution is None or execution.status not in _CANCELLATIONS:
            return
        if is_free(session, execution, worker.identity):
            _write_cancelled(session, execution)

    worker.store(write)


def _take_when_free(worker: Worker, job: Job, reference: Reference) -> Taken:
    while True:
        taken = worker.store(lambda session: _take(session, worker, reference))
        if taken.decision is not Decision.WAIT:
            return taken
        if worker.stopping.wait(RENEWAL_S):
            raise Stopping("another worker still runs the execution")


def _take(session: Session, worker: Worker, reference: Reference) -> Taken:
    expect_end(session, *reference.names)  # what was cancelled meanwhile ends here
    execution = find_execution(session, reference)
    if execution is None or execution.status not in ACTIVE:
        return Taken(Decision.DROP)
    if not is_free(session, execution, worker.identity):
        return Taken(Decision.WAIT)
    if execution.status in _CANCELLATIONS:  # it does not run, so nothing is left to be asked
        _write_cancelled(session, execution)
        return Taken(Decision.DROP)
    claim(execution, worker.identity)
    if execution.status == ExecutionStatus.STARTED:
        logger.warning("execution %s lost its worker: resuming it", execution.id)
        _send_again(session, execution)
        return Taken(Decision.RESUME, execution.key)
    return Taken(Decision.RESUME if execution.resume else Decision.RUN, execution.key)


def _send_again(session: Session, execution: Execution) -> None:
    """Let the workflow send the operations again whose sending it may not have survived.

    The worker that gets both messages runs the first and drops the second. Agents do not know
    which operation they ran, so what goes to them is left alone.
    """
    graphs = [TasksGraph.execution_key == execution.key]
    context = Operation.parameters["task_kwargs"]["kwargs"][_CONTEXT]
    session.execute(
        update(Operation)
        .where(
            Operation.tasks_graph_key == TasksGraph.key,
            *graphs,
            Operation.state.in_(("sending", "sent")),
            context["executor"].astext == "central_deployment_agent",
        )
        .values(state="pending"),
        execution_options={"synchronize_session": False},
    )


def _run(worker: Worker, job: Job, *, is_resumed: bool) -> str:
    """Run the workflow's process to its end; return why it could not tell its own, or nothing."""
    try:
        job.task = worker.environments.start(_request(job, is_resumed=is_resumed))
        if job.is_cancelled:
            job.task.terminate()
        job.task.wait()
    except TaskFailed as error:
        return str(error)
    except (TaskLost, TaskKilled) as error:
        if worker.stopping.is_set():
            raise Stopping("its process was ended with the worker") from error
        return str(error)
    except Exception as error:  # the edge: an execution that cannot be run has failed
        logger.exception("execution %s could not be run", job.key)
        return f"The worker could not run it: {error}"
    return ""


def _request(job: Job, *, is_resumed: bool) -> dict[str, Any]:
    kwargs = dict(job.delivery.body["cloudify_task"]["kwargs"])
    context = {**kwargs.pop(_CONTEXT), "resume": is_resumed}
    if context["task_name"].startswith(SYSTEM_PREFIX):
        call = {"context": context, "parameters": kwargs}
        return {"kind": "call", "function": _RUN_SYSTEM, "kwargs": call, "context": context}
    return {"kind": "dispatch", "context": context, "kwargs": kwargs}


def _settle(session: Session, execution_key: int, reference: Reference, reason: str) -> None:
    """Write the end of an execution whose process has not done it, and leave it.

    What was resumed since its process told its end belongs to a later message, and is left alone.
    """
    expect_end(session, Execution.key == execution_key)
    execution = session.get(Execution, execution_key, with_for_update=True)
    if execution is None:  # it has deleted its own deployment
        return
    if execution.status in _CANCELLATIONS:
        _write_cancelled(session, execution)
        return
    is_active = execution.status in ACTIVE
    if is_active and not reference.is_latest_of(execution):
        return
    release(execution)
    if is_active:
        message = f"'{execution.workflow_id}' workflow execution failed: {reason}"
        write_event(session, execution, EVENT, event_type="workflow_failed", message=message)
        finish(session, execution.key, ExecutionStatus.FAILED, reason or "It ended without a word")


def _write_cancelled(session: Session, execution: Execution) -> None:
    message = f"'{execution.workflow_id}' workflow execution cancelled"
    release(execution)
    write_event(session, execution, EVENT, event_type="workflow_cancelled", message=message)
    finish(session, execution.key, ExecutionStatus.CANCELLED)
