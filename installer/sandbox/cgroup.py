"""A control group for each host.

Without one, hosts that are started from the same group share the tree below it, and a
`systemctl stop` on one host kills the processes of that service on all others.
"""

from collections.abc import Iterator
from pathlib import Path

_SYSTEMD_RUNS = Path("/run/systemd/system")  # sd_booted(3)
_PARENT = "cfy_manager"


def machine_has_systemd() -> bool:
    """Tell whether systemd is this machine's PID 1; it then gives each host a scope."""
    return _SYSTEMD_RUNS.is_dir()


def group_roots(mounts: str) -> list[Path]:
    """Return the trees of /proc/mounts in which systemd keeps services: cgroup2 and its v1."""
    roots = []
    for line in mounts.splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            roots.append(Path(target))
    return roots


def host_groups(sandbox: str, host: str) -> list[Path]:
    """Return the groups that a host gets; none where systemd makes them."""
    if machine_has_systemd():
        return []
    roots = group_roots(Path("/proc/mounts").read_text())
    return [root / _PARENT / sandbox / host for root in roots]


def remove_groups(sandbox: str) -> None:
    """Remove all groups of a sandbox whose processes have ended."""
    for root in group_roots(Path("/proc/mounts").read_text()):
        top = root / _PARENT / sandbox
        if not machine_has_systemd() and top.is_dir():
            for group in _deepest_first(top):
                group.rmdir()
            if not any(entry.is_dir() for entry in top.parent.iterdir()):
                top.parent.rmdir()


def _deepest_first(group: Path) -> Iterator[Path]:
    for entry in group.iterdir():
        if entry.is_dir():
            yield from _deepest_first(entry)
    yield group
