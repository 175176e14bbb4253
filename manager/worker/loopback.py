"""The REST client of task processes: plain HTTP to this manager's own service, kept open."""

import threading
from collections.abc import Callable
from typing import Any

import requests
from cloudify import cluster
from cloudify_rest_client import CloudifyClient

_local = threading.local()
_before_status: list[Callable[[], None]] = []
_before_all: list[Callable[[], None]] = []


def before_status_changes(action: Callable[[], None]) -> None:
    """Have `action` called before a request that may change an execution's status."""
    _before_status.append(action)


def before_requests(action: Callable[[], None]) -> None:
    """Have `action` called before each request, but not before those that it makes itself."""
    _before_all.append(action)


class LoopbackHTTPClient(cluster.ClusterHTTPClient):  # type: ignore[misc]
    """The REST client's transport: what waits to be sent goes before what would overtake it."""

    def do_request(self, method: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        """Do what the original's transport does."""
        if not getattr(_local, "is_preparing", False):
            _local.is_preparing = True
            try:
                self._prepare(method, url)
            finally:
                _local.is_preparing = False
        return super().do_request(method, url, *args, **kwargs)

    def _prepare(self, method: Any, url: str) -> None:
        for action in _before_all:
            action()
        if url.startswith("/executions/") and method.__name__ in ("patch", "post"):
            for action in _before_status:  # the execution's token dies at its end
                action()


class LoopbackClient(CloudifyClient):  # type: ignore[misc]
    """The REST client of tasks."""

    client_class = LoopbackHTTPClient


def client(**arguments: Any) -> LoopbackClient:
    """Return the thread's client for these credentials: making one costs a connection."""
    headers = arguments.get("headers") or {}
    key = (arguments.get("tenant"), arguments.get("token"), tuple(sorted(headers.items())))
    clients: dict[Any, LoopbackClient] = _local.__dict__.setdefault("clients", {})
    if key not in clients:
        clients[key] = LoopbackClient(**arguments, session=session())
    return clients[key]


def session() -> requests.Session:
    """Return the thread's HTTP session."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False  # no proxy leads to loopback; looking for one costs
    found: requests.Session = _local.session
    return found
