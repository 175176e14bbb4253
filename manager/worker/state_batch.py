"""States of a workflow's own small tasks, sent to the REST service in batches, in their order.

A workflow's graph holds many tasks that only set a node instance's state or tell an event; the
original sends a request for each. What matters to others is sent before they can see its absence:
before every other request, and before an operation is handed to the brokers.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST = 500  # in a request
_DELAY_S = 0.05  # how long a state waits if nothing else happens

Update = dict[str, Any]


@dataclass
class StateBatch:
    """Collects updates; a failure to send them is raised by whoever comes next."""

    send: Callable[[list[Update]], None]
    _updates: list[Update] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sending: threading.RLock = field(default_factory=threading.RLock)
    _filled: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _failure: Exception | None = None

    def add(self, update: Update) -> None:
        """Add an update of an operation's state."""
        self._raise_failure()
        with self._lock:
            self._updates.append(update)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="states", daemon=True)
                self._thread.start()
        self._filled.set()

    def flush(self) -> None:
        """Return when all updates are stored."""
        if self._thread is None:
            return
        with self._sending:
            self._raise_failure()
            while batch := self._take():
                self.send(batch)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._filled.wait()
            pause.wait(_DELAY_S)
            self._filled.clear()
            try:
                self.flush()
            except Exception as error:  # the workflow meets it at its next step
                self._failure = error

    def _take(self) -> list[Update]:
        with self._lock:
            batch, self._updates = self._updates[:_MOST], self._updates[_MOST:]
        return batch

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
