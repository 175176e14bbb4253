"""Watch the command lines of all processes of this machine, the sandbox's hosts included."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

_EVERY_S = 0.02


class CommandLines:
    """Collects every command line that is seen between entry and exit."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        known: set[str] = set()
        while not self._stop.wait(_EVERY_S):
            running = {path.name for path in Path("/proc").iterdir() if path.name.isdigit()}
            for pid in running - known:
                try:
                    line = Path("/proc", pid, "cmdline").read_bytes()
                except OSError:  # it ended between the two looks
                    continue
                self.found.add(line.replace(b"\0", b" ").decode("utf-8", "replace").strip())
            known = running
