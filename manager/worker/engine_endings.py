"""How workflows end when they are asked to cancel after their last operation."""

import functools
from typing import Any

from cloudify import dispatch
from cloudify.workflows import amqp_dispatcher
from cloudify_rest_client.exceptions import InvalidExecutionUpdateStatus
from cloudify_rest_client.executions import Execution

_report = dispatch.WorkflowHandler._update_execution_status


@functools.cache
def adapt_endings() -> None:
    """Make each workflow reach an end; the original's would wait for ever in `cancelling`."""
    dispatch.WorkflowHandler._update_execution_status = report_status
    amqp_dispatcher.TaskDispatcher.cleanup = clean_up_once


def report_status(handler: Any, status: str, error: str | None = None) -> Any:
    """Report a status; success is `cancelled` where a cancellation has come before it."""
    try:
        return _report(handler, status, error)
    except InvalidExecutionUpdateStatus:
        if status != Execution.TERMINATED:
            raise
        return _report(handler, Execution.CANCELLED)


def clean_up_once(dispatcher: Any) -> None:
    """Delete the queues of replies; a connection that is closed would never answer."""
    while dispatcher._clients:
        _, (client, handler) = dispatcher._clients.popitem()
        handler.delete_queue()
        client.close()
