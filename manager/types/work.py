"""What the operations of the built-in types share: settings, the manager to work with, waiting."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from cloudify import ctx, manager
from cloudify.decorators import operation
from cloudify.exceptions import NonRecoverableError, OperationRetry
from cloudify.models_states import ExecutionState
from cloudify_rest_client import CloudifyClient
from cloudify_rest_client.exceptions import CloudifyClientError, ForbiddenWhileCancelling

Document = dict[str, Any]

_REFUSED = range(400, 500)  # asking again changes nothing
_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1"})
_PAGE = 500


def resumable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an operation of `function`: one that may run again after its worker was lost.

    What the manager refuses is not tried again; what it cannot answer is.
    """

    @functools.wraps(function)
    def run(**inputs: Any) -> Any:
        inputs.pop("ctx", None)
        try:
            return function(**inputs)
        except ForbiddenWhileCancelling as error:
            raise OperationRetry("The execution is being cancelled") from error
        except CloudifyClientError as error:
            if error.status_code in _REFUSED:
                raise NonRecoverableError(f"Error in {function.__name__}: {error}") from error
            raise

    decorated: Callable[..., Any] = operation(resumable=True)(run)
    return decorated


def setting(name: str, inputs: Mapping[str, Any]) -> Any:
    """Return a setting: the operation's input, else the runtime property, else the property."""
    return (
        inputs.get(name)
        or ctx.instance.runtime_properties.get(name)
        or ctx.node.properties.get(name)
    )


def note(**properties: Any) -> None:
    """Set runtime properties and store them at once: a repetition begins where they tell."""
    ctx.instance.runtime_properties.update(properties)
    ctx.instance.update()


def forget(*names: str) -> None:
    """Remove runtime properties."""
    for name in names:
        ctx.instance.runtime_properties.pop(name, None)
    ctx.instance.update()


def client_of(inputs: Mapping[str, Any]) -> Any:
    """Return a client of the manager that the setting `client` tells, or of this one."""
    config = setting("client", inputs)
    return CloudifyClient(**config) if config else manager.get_rest_client()


def is_remote(inputs: Mapping[str, Any]) -> bool:
    """Tell whether the setting `client` names another manager, or another tenant."""
    config = setting("client", inputs) or {}
    if not config:
        return False
    if config.get("tenant", ctx.tenant_name) != ctx.tenant_name:
        return True
    managers = manager.get_rest_client().manager.get_managers()
    ours = {address for item in managers for address in (item.private_ip, item.public_ip)}
    host = config.get("host")
    hosts = {host} if isinstance(host, str) else set(host or ())
    return not hosts & (ours | _LOCAL_HOSTS)


def wait_until(
    is_done: Callable[[], bool], what: str, *, timeout_s: float, interval_s: float = 1
) -> None:
    """Ask until `is_done`; raises NonRecoverableError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_done():
        if time.monotonic() > deadline:
            raise NonRecoverableError(f"{what}: timed out after {timeout_s} seconds")
        time.sleep(interval_s)


def exists(resources: Any, resource_id: str) -> bool:
    """Tell whether a client's `blueprints` or `deployments` has such an id."""
    return bool(resources.list(id=resource_id, _include=["id"]))


class Follower:
    """Follows an execution to its end and repeats its events in this one's log, if it is to."""

    def __init__(self, client: Any, execution_id: str, *, with_events: bool) -> None:
        self._client = client
        self._execution_id = execution_id
        self._with_events = with_events
        self._seen = 0

    def wait(self, *, timeout_s: float, interval_s: float) -> None:
        """Wait for the end; raises NonRecoverableError when that is no success."""
        what = f"Execution {self._execution_id}"
        wait_until(self._has_ended, what, timeout_s=timeout_s, interval_s=interval_s)
        execution = self._get()
        if execution["status"] != ExecutionState.TERMINATED:
            raise NonRecoverableError(f"{what} {execution['status']}: {execution.get('error')}")

    def _get(self) -> Document:
        found: Document = self._client.executions.get(self._execution_id)
        return found

    def _has_ended(self) -> bool:
        has_ended = self._get()["status"] in ExecutionState.END_STATES
        if self._with_events:
            self._repeat_events()
        return has_ended

    def _repeat_events(self) -> None:
        while True:
            events = self._client.events.list(
                execution_id=self._execution_id,
                include_logs=True,
                _offset=self._seen,
                _size=_PAGE,
                sort="reported_timestamp",
            )
            for event in events:
                ctx.logger.info("%s: %s", self._execution_id, event.get("message"))
            self._seen += len(events)
            if len(events) < _PAGE:
                return
