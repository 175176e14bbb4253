"""Run system tools, and recognise a process again after others have come and gone."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from installer.errors import NotHealthy, PhaseFailed, Problem

_STARTED = 22 - 3 - 1  # proc(5): field 22; the words after the name begin with field 3
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process by its number and its start, since the kernel reuses numbers."""

    pid: int
    started: int  # clock ticks after boot

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return _started(self.pid) == self.started

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal if the process is still this one."""
        with suppress(ProcessLookupError):
            if self.is_alive():
                os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Return whether the process ended within the time; it need not be our child."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.is_alive():
                return True
            return bool(select.select([handle], [], [], timeout_s)[0])
        finally:
            os.close(handle)


def identify(pid: int) -> ProcessId:
    """Return the identity of a running process; raises ProcessLookupError when there is none."""
    started = _started(pid)
    if started is None:
        raise ProcessLookupError(pid)
    return ProcessId(pid, started)


def run(argv: Sequence[str], *, stdin: str | None = None) -> str:
    """Run a tool and return what it printed; raises PhaseFailed with its complaint."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PhaseFailed(
            Problem(
                where=" ".join(argv),
                what=(done.stderr or done.stdout).strip() or f"exit code {done.returncode}",
                remedy="run `cfy_manager sandbox check`, then `sandbox down` and `up` again",
            )
        )
    return done.stdout


def wait_until(condition: Callable[[], bool], *, what: str, timeout_s: float) -> None:
    """Return when the condition holds; raises NotHealthy saying what did not come true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotHealthy(
                Problem(
                    where="sandbox",
                    what=f"{what}: not so after {timeout_s:.0f} s",
                    remedy="look at `cfy_manager sandbox status`, then run the command again",
                )
            )
        time.sleep(_POLL_S)


def all_processes() -> list[int]:
    """Return the numbers of all processes that this one can see."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def children_of(pid: int) -> list[int]:
    """Return the numbers of a process's children; empty when it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _started(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[_STARTED])
