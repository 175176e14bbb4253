"""The zygotes that tasks are forked from: the manager's own, and one for each plugin in use."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manager.settings import Settings
from manager.worker.places import Places, own_python, task_environment
from manager.worker.processes import ForkServer, Task

_PREPARE = "manager.worker.plugins.prepare"
_FULL = {"CFY_ZYGOTE_FULL": "1"}
_IDLE_S = 120.0  # a plugin's zygote that is not used for so long gives its memory back

logger = logging.getLogger(__name__)


class Environments:
    """Starts each task in the environment of its plugin, which is installed if need be."""

    def __init__(self, settings: Settings, places: Places) -> None:
        self._places = places
        self._environment = task_environment(settings, places)
        self._lock = threading.Lock()
        self._plugins: dict[Path, ForkServer] = {}
        self._starting: dict[Path, threading.Lock] = {}
        self._own: ForkServer | None = None

    def open(self) -> None:
        """Start the manager's own zygote, so that the first task need not wait for it."""
        self._own_server()

    def start(self, request: Mapping[str, Any]) -> Task:
        """Start a task; raises TaskFailed when its plugin cannot be installed."""
        prefix = self._plugin_of(request.get("context") or {})
        server = self._own_server() if prefix is None else self._plugin_server(prefix)
        return server.start(request)

    def start_own(self, function: str, **kwargs: Any) -> Task:
        """Start a function of ours in the manager's own environment."""
        return self._own_server().start({"kind": "call", "function": function, "kwargs": kwargs})

    def forget(self, prefix: Path) -> None:
        """End the zygote of a plugin that is removed."""
        with self._lock:
            server = self._plugins.pop(prefix, None)
        if server is not None:
            server.stop()

    def reap(self) -> None:
        """End the zygotes of plugins that nobody uses."""
        oldest = time.monotonic() - _IDLE_S
        with self._lock:
            idle = [p for p, s in self._plugins.items() if s.is_idle and s.used_at < oldest]
            servers = [self._plugins.pop(prefix) for prefix in idle]
        for server in servers:
            server.stop()

    def close(self) -> None:
        """End all zygotes, and with them all tasks."""
        with self._lock:
            servers = [*self._plugins.values(), *([self._own] if self._own else [])]
            self._plugins, self._own = {}, None
        for server in servers:
            server.stop()

    def _own_server(self) -> ForkServer:
        with self._lock:
            if self._own is None or not self._own.is_alive:
                self._own = ForkServer(own_python(), {**self._environment, **_FULL})
            return self._own

    def _plugin_server(self, prefix: Path) -> ForkServer:
        with self._lock:
            starting = self._starting.setdefault(prefix, threading.Lock())
        with starting:  # a zygote takes a moment to import: tasks of others do not wait for it
            with self._lock:
                server = self._plugins.get(prefix)
            if server is None or not server.is_alive:
                environment = {**self._environment, "VIRTUAL_ENV": str(prefix)}
                server = ForkServer(prefix / "bin" / "python", environment)
            server.used_at = time.monotonic()
            with self._lock:
                self._plugins[prefix] = server
            return server

    def _plugin_of(self, context: Mapping[str, Any]) -> Path | None:
        """Return the environment of the task's plugin; none for what the manager has itself."""
        plugin = context.get("plugin") or {}
        if not (plugin.get("package_name") or plugin.get("source")):
            return None
        found = self._places.installed_plugin(plugin, context["tenant"]["name"])
        if found is not None:
            return found
        prefix = self.start_own(_PREPARE, context=dict(context)).wait()
        return None if prefix is None else Path(prefix)
