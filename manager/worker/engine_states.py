"""How workflows report the states of their tasks: small ones together, operations' at once."""

import functools
from typing import Any

from cloudify import manager, utils
from cloudify.state import current_workflow_ctx
from cloudify.workflows import amqp_dispatcher, tasks, tasks_graph

from manager.worker import loopback
from manager.worker.state_batch import StateBatch, Update

_SMALL = (tasks_graph.SubgraphTask, tasks.SetNodeInstanceStateTask, tasks.SendNodeEventTask)


class _Sender:
    """Sends states as the workflow that this process runs: the batch's thread is outside of it."""

    _context: Any = None

    def note_context(self, context: Any) -> None:
        """Remember whose workflow this process runs; a restored task knows only a proxy of it."""
        if self._context is None:
            is_proxy = hasattr(context, "_get_current_object")
            self._context = context._get_current_object() if is_proxy else context

    def send(self, updates: list[Update]) -> None:
        """Send a batch."""
        body = {"action": "update-states", "operations": updates}
        with current_workflow_ctx.push(self._context):
            client = manager.get_rest_client()._client
            client.post("/operations", data=body, expected_status_code=204)


_sender = _Sender()
_batch = StateBatch(_sender.send)


@functools.cache
def adapt_states() -> None:
    """Let cloudify-common's small tasks collect their states, and operations send them first."""
    loopback.before_requests(_batch.flush)
    for kind in _SMALL:
        kind._update_stored_state = _update_later(kind._update_stored_state)
    publish = amqp_dispatcher._WorkflowTaskHandler.publish
    amqp_dispatcher._WorkflowTaskHandler.publish = _after_states(publish)
    callback = amqp_dispatcher._WorkflowTaskHandler._task_callback
    amqp_dispatcher._WorkflowTaskHandler._task_callback = _noting_errors(callback)


def _update_later(original: Any) -> Any:
    """Keep the rules of the original, but hand what it would send to the batch."""

    def update(task: Any, state: str, result: Any = tasks._NOT_SET, exception: Any = None) -> None:
        if exception is not None or task.workflow_context.local:
            original(task, state, result=result, exception=exception)
        elif not (state in _SKIPPED and isinstance(task, tasks.LocalWorkflowTask)):
            _sender.note_context(task.workflow_context)
            _batch.add(
                {
                    "id": task.id,
                    "state": state,
                    "result": None,
                    "manager_name": utils.get_manager_name(),
                    "agent_name": utils.get_daemon_name(),
                }
            )

    return update


_SKIPPED = (tasks.TASK_SENT, tasks.TASK_STARTED)  # of local tasks, as in the original


def _after_states(original: Any) -> Any:
    def publish(handler: Any, *args: Any, **kwargs: Any) -> Any:
        _batch.flush()  # the operation's own state would come after what its worker writes
        return original(handler, *args, **kwargs)

    return publish


def _noting_errors(original: Any) -> Any:
    """Let an answer that came before its question, as after a resume, tell what went wrong."""

    def callback(handler: Any, task: Any, response: Any) -> Any:
        if response and not response["ok"]:
            task.error = response.get("error")
        return original(handler, task, response)

    return callback
