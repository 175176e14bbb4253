"""What the node's file systems are, how much they hold and how fast they keep a promise."""

from __future__ import annotations

import os
import time

from installer.engine.node.facts_system import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_WRITES = 200
_BLOCK = b"\0" * 2300  # what etcd writes for a change, on average
_LIMIT_S = 1.5


def folders(paths: list[str]) -> dict[str, Any]:
    """Return what the file system of each folder is, of the nearest that exists if it does not."""
    mounts = _mounts()
    return {path: _folder(path, mounts) for path in paths}


def _folder(path: str, mounts: list[tuple[str, str, str]]) -> dict[str, Any]:
    existing = _existing(path)
    found = os.statvfs(existing)
    point, kind, options = _mount_of(os.path.realpath(existing), mounts)
    return {
        "exists": existing == path,
        "mode": os.stat(existing).st_mode & 0o7777,
        "device": os.stat(existing).st_dev,
        "mount_point": point,
        "kind": kind,
        "options": sorted({"ro", "noexec"}.intersection(options.split(","))),
        "free_bytes": found.f_bavail * found.f_frsize,
        "total_bytes": found.f_blocks * found.f_frsize,
        "free_inodes": found.f_favail if found.f_files else None,
    }


def _existing(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _mounts() -> list[tuple[str, str, str]]:
    """Return (mount point, kind, options) of each mount, the later over the earlier."""
    found = []
    for line in text_of("/proc/self/mountinfo", 1 << 20).splitlines():
        left, _, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        point = words[4].encode().decode("unicode_escape")
        found.append((point, kind[0], f"{words[5]},{kind[2]}"))
    return found


def _mount_of(path: str, mounts: list[tuple[str, str, str]]) -> tuple[str, str, str]:
    best = ("/", "", "")
    for mount in mounts:
        point = mount[0]
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(
            best[0]
        ):
            best = mount
    return best


def flush_times(paths: list[str]) -> dict[str, Any]:
    """Return (writes, p50, p99, longest) in seconds of flushed writes to each file system."""
    seen: dict[int, str] = {}
    for path in paths:
        existing = _existing(path)
        seen.setdefault(os.stat(existing).st_dev, existing)
    return {path: times for path in seen.values() if (times := _flush_times(path))}


def _flush_times(folder: str) -> tuple[int, float, float, float] | None:
    try:
        descriptor = _nameless_file(folder)
    except OSError:  # read-only: another fact tells
        return None
    try:
        taken: list[float] = []
        end = time.monotonic() + _LIMIT_S
        while len(taken) < _WRITES and (began := time.monotonic()) < end:
            os.write(descriptor, _BLOCK)
            os.fdatasync(descriptor)
            taken.append(time.monotonic() - began)
    except OSError:  # no space: another fact tells
        return None
    finally:
        os.close(descriptor)
    taken.sort()
    count = len(taken)
    return count, taken[count // 2], taken[(count * 99 + 99) // 100 - 1], taken[-1]


def _nameless_file(folder: str) -> int:
    """Open a file that has no name: nothing is left, whatever happens, and the folder is as it was.

    Where the file system has no such files it has a name for a moment.
    """
    try:
        return os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
    except OSError as error:
        if error.errno not in (21, 22, 95):  # EISDIR, EINVAL, EOPNOTSUPP
            raise
    path = f"{folder}/.cfy_manager-probe-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return descriptor
