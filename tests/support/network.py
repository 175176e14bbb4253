"""Let this process's own clients speak from the network of a sandbox or of one of its hosts."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from installer.sandbox import guest, lifecycle, record

_CLONE_NEWNET = 0x40000000  # sched.h; os.setns comes with Python 3.12
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def network_of(sandbox: str, host: str | None = None) -> Iterator[None]:
    """Open the sockets of this thread beside the hosts, or with a host's own address."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _enter(f"/proc/{_holder(sandbox, host)}/ns/net")
        yield
    finally:
        _set(home)
        os.close(home)


def _holder(sandbox: str, host: str | None) -> int:
    made = record.load(sandbox)
    if host is None:
        return lifecycle.holder_of(made).pid
    leader = guest.leader_of(made.supervisors[host])
    assert leader is not None, f"{sandbox}/{host} is off"
    return leader


def _enter(path: str) -> None:
    there = os.open(path, os.O_RDONLY)
    try:
        _set(there)
    finally:
        os.close(there)


def _set(namespace: int) -> None:
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
