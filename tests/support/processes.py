"""Programs that a test starts: stopped by their pid, gone with the test, weighed while they run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB = 1024
# fields of /proc/<pid>/stat after the name: parent, then user and system time, own and of children
_PARENT, _TIMES = 1, slice(11, 15)


@dataclass(frozen=True, slots=True)
class Weight:
    """What a program and its descendants use."""

    pss_mib: float
    cpu_s: float  # since they began, with that of children that have ended
    processes: int

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(
            self.pss_mib + other.pss_mib,
            self.cpu_s + other.cpu_s,
            self.processes + other.processes,
        )


@dataclass
class Program:
    """A program with a log file; it dies with the process that started it."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; whether it is ready is another question."""
        # its own group: a terminal's ctrl-C is for whoever started it
        command = ["setpriv", "--pdeathsig", "KILL", "--", *self.command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_plain_environment(), **self.environment},
                cwd=self.log.parent,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was not started"
        return self.process.pid

    def wait_until(
        self, is_ready: Callable[[], bool], *, timeout_s: float = 60, interval_s: float = 0.02
    ) -> float:
        """Wait for a condition, return how long it took; what the program said is in the error."""
        began = time.monotonic()
        while not is_ready():
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} has ended\n{self.last_words()}")
            if time.monotonic() > began + timeout_s:
                raise RuntimeError(f"{self.name}: not in {timeout_s} s\n{self.last_words()}")
            time.sleep(interval_s)
        return time.monotonic() - began

    def stop(self, *, timeout_s: float = 30) -> None:
        """End it with what it started, in order if it does so in time."""
        if self.process is None:
            return
        family = [self.pid, *descendants(self.pid)]
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        _end(family[1:])

    def kill(self) -> None:
        """End it as a lost host would: all of its processes at once."""
        family = descendants(self.pid)
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None
        _end(family)

    def weight(self) -> Weight:
        """Return what it uses now."""
        return weight_of(self.pid)

    def last_words(self, lines: int = 40) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def _plain_environment() -> dict[str, str]:
    """Return what systemd gives a service: nothing of a person's proxies and authorities."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def weight_of(pid: int) -> Weight:
    """Return what a process and its descendants use; those that end meanwhile count as nothing."""
    total = Weight(0, 0, 0)
    for each in (pid, *descendants(pid)):
        try:
            total += Weight(_pss_mib(each), _cpu_s(each), 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def descendants(pid: int) -> list[int]:
    """Return the processes below this one, parents first."""
    children: dict[int, list[int]] = {}
    for each, parent in _parents():
        children.setdefault(parent, []).append(each)
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield int(entry.name), int(_stat(int(entry.name))[_PARENT])
            except (FileNotFoundError, ProcessLookupError):
                continue


def _stat(pid: int) -> list[str]:
    """Return the fields after the name, which may hold blanks and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(pid: int) -> float:
    return sum(int(ticks) for ticks in _stat(pid)[_TIMES]) / _TICKS_PER_S


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / _KIB_PER_MIB
    return 0.0  # a process that has ended and is not yet waited for


def _end(pids: Sequence[int]) -> None:
    """Kill what is left of a family."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
