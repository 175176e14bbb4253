"""Stop and continue processes of a host, as a debugger or a hanging disk would."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from installer.errors import ConfigError, Problem
from installer.sandbox.process import (
    ProcessId,
    all_processes,
    identify,
    link_of,
    stat_fields,
    wait_until,
)

_COMMAND_LENGTH = 15  # TASK_COMM_LEN: the kernel keeps no more of a name
_FREEZE_TIMEOUT_S = 10.0


def freeze(leader: int, pattern: str) -> None:
    """Send SIGSTOP to all matching processes of the host with this PID 1, until none runs.

    A pattern is a unit (`patroni.service`) or a command's name. Raises ConfigError for no match.
    """
    if not any(_matching(leader, pattern)):
        raise ConfigError(
            Problem(
                where="PROCESS",
                what=f"no process or unit {pattern!r} runs on the host",
                remedy="give a name as `ps -eo comm` shows it, or a unit such as ssh.service",
            )
        )
    wait_until(
        lambda: _stop_running(leader, pattern),
        what=f"all processes of {pattern} are frozen",
        timeout_s=_FREEZE_TIMEOUT_S,
    )


def thaw(leader: int, pattern: str) -> None:
    """Let all matching processes of a host go on."""
    for process in _matching(leader, pattern):
        process.kill(signal.SIGCONT)


def matches(pattern: str, *, command: str, arguments: list[str], groups: list[str]) -> bool:
    """Tell whether a process is meant: by its unit, its name, or the script that it runs."""
    if pattern.endswith(".service"):
        return pattern in groups
    # an interpreter's first argument is the script, by whose name a person knows the process
    words = {os.path.basename(word) for word in arguments[:2]}  # noqa: PTH119 - may be any text
    return pattern in words or pattern[:_COMMAND_LENGTH] == command


def _stop_running(leader: int, pattern: str) -> bool:
    """Stop what still runs; return whether there was nothing left to stop."""
    running = [process for process in _matching(leader, pattern) if _runs(process)]
    for process in running:
        process.kill(signal.SIGSTOP)
    return not running


def _runs(process: ProcessId) -> bool:
    fields = stat_fields(process.pid)
    return bool(fields) and fields[0] not in "TtZX"


def _matching(leader: int, pattern: str) -> Iterator[ProcessId]:
    space = link_of(leader, "ns/pid")
    for pid in all_processes():
        if pid != leader and space is not None and link_of(pid, "ns/pid") == space:
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
                if _is_meant(Path(f"/proc/{pid}"), pattern):
                    yield identify(pid)


def _is_meant(process: Path, pattern: str) -> bool:
    return matches(
        pattern,
        command=(process / "comm").read_text().rstrip("\n"),
        arguments=(process / "cmdline").read_text(errors="replace").split("\0"),
        groups=(process / "cgroup").read_text().replace("\n", "/").split("/"),
    )
