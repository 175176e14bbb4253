"""One run at a time per cluster, and files that tell whether the process that made them runs."""

import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from installer.errors import Problem, Refused


@contextmanager
def hold_lock(path: Path, command: str) -> Iterator[None]:
    """Hold the lock for the time of a run; raises Refused while another run holds it.

    The kernel frees a lock of a process that died, so a stale lock cannot exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(_held(path)) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, json.dumps(_owner(command)).encode())
        yield
        os.truncate(descriptor, 0)
    finally:
        os.close(descriptor)


def make_owned(path: Path) -> int:
    """Make a file that is this process's for as long as it runs; return its open descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # somebody took it for an orphan before it was locked


def orphans(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield those files whose makers died before they took them away; each is locked meanwhile."""
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                yield path
        except BlockingIOError:  # its maker runs
            continue
        finally:
            os.close(descriptor)


def _owner(command: str) -> dict[str, str | int]:
    return {
        "owner": getpass.getuser(),
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
    }


def _held(path: Path) -> Problem:
    try:
        owner = json.loads(path.read_text())
    except json.JSONDecodeError:  # the holder is between taking the lock and writing its name
        owner = {}
    who = ", ".join(f"{key} {value}" for key, value in owner.items()) or "a run that just began"
    return Problem(
        where=str(path),
        what=f"another run holds the lock: {who}",
        remedy="wait for that run to end, or stop it; the lock frees itself when its process ends",
    )
