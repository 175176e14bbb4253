"""What a task process does: read a request, run it as `cloudify.dispatch` would, reply."""

import importlib
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

Request = Mapping[str, Any]
Outcome = dict[str, Any]

_CHUNK_BYTES = 1 << 16
_ALWAYS = ("cloudify.dispatch", "cloudify.endpoint", "script_runner.tasks", "manager.worker.engine")
_ON_THE_MANAGER = (  # workflows run in the manager's own environment
    "cloudify.plugins.lifecycle",
    "cloudify.plugins.workflows",
    "cloudify.workflows.amqp_dispatcher",
    "cloudify.workflows.workflow_context",
    "manager.worker.system",
)
_FULL = "CFY_ZYGOTE_FULL"

logger = logging.getLogger(__name__)


def preload() -> None:
    """Import what tasks need, once for all of them."""
    for name in _ALWAYS + (_ON_THE_MANAGER if os.environ.pop(_FULL, "") else ()):
        importlib.import_module(name)


def serve(connection: socket.socket) -> None:
    """Answer the one request that comes through `connection`."""
    request = json.loads(_read_all(connection))
    os.environ.update(request.get("environment", {}))
    outcome = perform(request)
    connection.sendall(_encode(outcome))


def perform(request: Request) -> Outcome:
    """Return the outcome of a request: `type` is result or error, `payload` what goes with it."""
    from manager.worker import engine

    engine.adapt()
    try:
        return _KINDS[request["kind"]](request)
    finally:
        engine.flush_events()


def _dispatch(request: Request) -> Outcome:
    """Run an operation or a workflow of a plugin, as `cloudify.dispatch.main` does."""
    from cloudify import dispatch
    from cloudify.error_handling import serialize_known_exception

    context = request["context"]
    if context["type"] == "workflow":
        from manager.worker.broker_link import adapt_broker
        from manager.worker.engine_endings import adapt_endings
        from manager.worker.engine_states import adapt_states

        adapt_broker()
        adapt_states()
        adapt_endings()
    threading.current_thread().name = f"Dispatch-{context['type']}"
    handler = dispatch.TASK_HANDLERS[context["type"]](
        cloudify_context=context, args=[], kwargs=dict(request["kwargs"])
    )
    try:
        dispatch._setup_logging()
        return {"type": "result", "payload": handler.handle()}
    except dispatch._WrappedTaskError as error:
        payload = serialize_known_exception(error.wrapped_exc, error.wrapped_tb)
    except BaseException as error:  # SystemExit of a plugin is a failure like any other
        payload = serialize_known_exception(error)
    logger.error(
        "Task %s[%s] raised:\n%s",
        context["task_name"],
        context.get("task_id", "<no-id>"),
        payload.get("traceback"),
    )
    return {"type": "error", "payload": payload}


def _call(request: Request) -> Outcome:
    """Call a function of ours: system workflows, the installation of a plugin."""
    from cloudify.error_handling import serialize_known_exception

    module, _, name = request["function"].rpartition(".")
    try:
        function = getattr(importlib.import_module(module), name)
        return {"type": "result", "payload": function(**request["kwargs"])}
    except Exception as error:
        logger.exception("%s failed", request["function"])
        return {"type": "error", "payload": serialize_known_exception(error)}


_KINDS: Mapping[str, Callable[[Request], Outcome]] = {"dispatch": _dispatch, "call": _call}


def _read_all(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(_CHUNK_BYTES):
        chunks.append(chunk)
    return b"".join(chunks)


def _encode(outcome: Outcome) -> bytes:
    try:
        return json.dumps(outcome).encode()
    except (TypeError, ValueError) as error:
        from cloudify.error_handling import serialize_known_exception
        from cloudify.exceptions import NonRecoverableError

        sys.stderr.write(f"the result of a task is not JSON: {error}\n")
        problem = NonRecoverableError(f"The result cannot be written as JSON: {error}")
        return json.dumps({"type": "error", "payload": serialize_known_exception(problem)}).encode()
