"""A value that is dear to compute and may be a little old."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """The result of `compute`, recomputed by one thread at a time when older than `fresh_s`.

    Nobody waits for that unless the value is older than `stale_s`: it happens in the background.
    """

    def __init__(self, compute: Callable[[], T], *, fresh_s: float, stale_s: float) -> None:
        self._compute = compute
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._lock = threading.Lock()
        self._entry: tuple[float, T] | None = None

    def value(self) -> T:
        """Return the value, recomputed if need be."""
        entry = self._younger_than(self._stale_s)
        if entry is None:
            entry = self._recomputed()
        elif self._younger_than(self._fresh_s) is None and not self._lock.locked():
            threading.Thread(target=self._recomputed, daemon=True).start()
        return entry[1]

    def _recomputed(self) -> tuple[float, T]:
        with self._lock:
            entry = self._younger_than(self._fresh_s)  # another thread may have been quicker
            if entry is None:
                entry = (time.monotonic(), self._compute())
                self._entry = entry
            return entry

    def _younger_than(self, age_s: float) -> tuple[float, T] | None:
        entry = self._entry
        return entry if entry and time.monotonic() - entry[0] < age_s else None
