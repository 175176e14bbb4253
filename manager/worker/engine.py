"""What cloudify-common does differently in our task processes: this module is the only such place.

`adapt` changes, once in each process:
* its REST client speaks plain HTTP to this manager's own service, over connections that stay open;
* events and logs go in batches, and before the execution's status changes;
* files of blueprints and deployments come from this manager's own tree if it has them;
* its AMQP connection sends at once what a thread hands to it, not at its next look;
* the script runner notices at once that a script has ended.
"""

import functools
import logging
from typing import Any

import script_runner.tasks
from cloudify import logs as cloudify_logs
from cloudify import manager, utils
from cloudify.state import current_ctx, current_workflow_ctx

from manager.worker import loopback, resources
from manager.worker.ctx_proxy import LoopbackCtxProxy
from manager.worker.event_batch import EventBatch

_POLL_S = 0.01
_LOG_EVERY_S = 20  # so often the script runner says that a script still runs


@functools.cache
def adapt() -> None:
    """Make cloudify-common do what this module's docstring tells."""
    manager.CloudifyClusterClient = loopback.client
    manager.get_resource = resources.get_resource
    manager.get_resource_from_manager = resources.get_from_managers
    cloudify_logs._publish_message = _publish
    loopback.before_status_changes(_batch.flush)
    script_runner.tasks.POLL_LOOP_INTERVAL = _POLL_S
    script_runner.tasks.POLL_LOOP_LOG_ITERATIONS = int(_LOG_EVERY_S / _POLL_S)
    script_runner.tasks.HTTPCtxProxy = LoopbackCtxProxy


def flush_events() -> None:
    """Send all events and logs of this process that wait."""
    _batch.flush()


def _publish(item: dict[str, Any], kind: str, log: logging.Logger, skip_send: bool = False) -> None:
    """Take the place of `cloudify.logs._publish_message`."""
    if "message" in item:
        cloudify_logs._log_message(log, item)
    if skip_send:
        return
    _sender.note_context()
    _batch.add("log" if kind == "log" else "event", item)
    if item.get("event_type") == "workflow_started":
        _batch.flush()  # what follows is told by the REST service itself, at once


class _Sender:
    """Sends batches as the task that wrote them; a process has one."""

    def __init__(self) -> None:
        self._context: Any = None

    def note_context(self) -> None:
        """Remember whose task this process runs: the thread that sends is outside of it."""
        if self._context is None:
            self._context = utils._get_current_context()

    def send(self, events: list[dict[str, Any]], logs: list[dict[str, Any]]) -> None:
        """Send a batch."""
        is_workflow = hasattr(self._context, "internal")
        with (current_workflow_ctx if is_workflow else current_ctx).push(self._context):
            manager.get_rest_client().events.create(
                events=events or None,
                logs=logs or None,
                execution_id=self._context.execution_id,
                agent_name=utils.get_daemon_name(),
                manager_name=utils.get_manager_name(),
            )


_sender = _Sender()
_batch = EventBatch(_sender.send)
