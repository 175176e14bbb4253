"""Keep documents by the hash of their content, the least used ones leave first."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class DocumentCache(Generic[T]):
    """A bounded map; what it keeps never changes, since its key is a hash of the content."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> T | None:
        """Return what was kept, if it still is."""
        with self._lock:
            if digest not in self._kept:
                return None
            self._kept.move_to_end(digest)
            return self._kept[digest][0]

    def keep(self, digest: str, value: T, size_bytes: int) -> None:
        """Keep `value`, and forget what was used least recently while there is too much."""
        with self._lock:
            if digest in self._kept or size_bytes > self._max_bytes:
                return
            self._kept[digest] = (value, size_bytes)
            self._bytes += size_bytes
            while self._bytes > self._max_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._bytes -= freed
