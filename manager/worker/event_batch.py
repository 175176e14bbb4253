"""Events and logs of a task, sent to the REST service in batches."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_MOST = 200  # items in a request
_DELAY_S = 0.25  # how long an item waits for company
_FLUSH_TIMEOUT_S = 60

logger = logging.getLogger(__name__)

Send = Callable[[list[dict[str, Any]], list[dict[str, Any]]], None]


@dataclass
class EventBatch:
    """Collects items and sends them from a thread of its own; `flush` returns when all are sent.

    Items that cannot be sent are lost with a word in the worker's log, as in the original, where
    each was a request: what the task does is worth more than its log.
    """

    send: Send
    _items: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _filled: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def add(self, kind: str, item: dict[str, Any]) -> None:
        """Add an item: `kind` is event or log."""
        with self._lock:
            self._items.append((kind, item))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        self._filled.set()

    def flush(self) -> None:
        """Send what has been added; items that another thread is sending count too."""
        if self._thread is None:
            return
        with self._sending:
            while batch := self._take():
                self._send(batch)

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._filled.wait()
            pause.wait(_DELAY_S)
            self._filled.clear()
            self.flush()

    def _take(self) -> list[tuple[str, dict[str, Any]]]:
        with self._lock:
            batch, self._items = self._items[:_MOST], self._items[_MOST:]
        return batch

    def _send(self, batch: list[tuple[str, dict[str, Any]]]) -> None:
        events = [item for kind, item in batch if kind == "event"]
        logs = [item for kind, item in batch if kind == "log"]
        try:
            self.send(events, logs)
        except Exception:
            logger.exception("%d events and %d logs are lost", len(events), len(logs))
