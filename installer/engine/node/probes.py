"""Cheap looks at this host when something failed: each line is a fact that a sign may name."""

from __future__ import annotations

import os
import time

from installer.engine.node.script import run_command

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Iterator
    from typing import Any

_COMMAND_S = 20.0
_SYSTEMD = "1"  # it holds the sockets of units that start on demand
_MIB = 1024 * 1024
_LEAST_MIB = 16  # below it a database cannot write its next file of log
_LEAST_FILES = 50
_RESULTS = "Id,LoadState,ActiveState,SubState,Result,ExecMainCode,ExecMainStatus,NRestarts"


def host_lines(request: dict[str, Any], failing: list[dict[str, str]]) -> Iterator[str]:
    """Yield one line for each thing that is not as a service needs it."""
    yield from _file_systems(request["paths"])
    yield from _unit_lines(failing)
    yield from _default_clusters()
    yield from _certificates(_used(request["certificates"], failing))
    yield from _listeners(request["ports"])


def hopeless_lines(units: list[str], ports: dict[int, list[str]]) -> Iterator[str]:
    """Yield of these lines those that are cheap enough to ask for while a gate waits."""
    yield from _file_systems(["/var/lib"])
    yield from _unit_lines(failing_units(units))
    yield from _listeners(ports)


def _file_systems(paths: list[str]) -> Iterator[str]:
    seen = set()
    for path in paths:
        place = path
        while not os.path.isdir(place):
            place = os.path.dirname(place) or "/"
        facts = os.statvfs(place)
        device = os.stat(place).st_dev
        if device in seen:
            continue
        seen.add(device)
        free_mib = facts.f_bavail * facts.f_frsize // _MIB
        total_mib = facts.f_blocks * facts.f_frsize // _MIB
        if free_mib < _LEAST_MIB:
            yield f"disk full: {place} has {free_mib} of {total_mib} MiB free"
        if facts.f_files and facts.f_favail < _LEAST_FILES:
            yield f"no inodes: {place} has {facts.f_favail} of {facts.f_files} inodes free"
        if facts.f_flag & os.ST_RDONLY:
            yield f"read-only: {place} is mounted read-only"


def unit_facts(units: list[str]) -> Iterator[dict[str, str]]:
    """Yield what systemd knows of each unit's last start and end."""
    if not units:
        return
    words = ["systemctl", "show", "--no-pager", f"--property={_RESULTS}", *units]
    told = str(run_command(words, timeout_s=_COMMAND_S)["stdout"])
    for block in told.strip().split("\n\n"):
        yield dict(line.partition("=")[::2] for line in block.splitlines())


def failing_units(units: list[str]) -> list[dict[str, str]]:
    """Return what systemd knows of those units that do not run."""
    running = ("active", "reloading")
    return [facts for facts in unit_facts(units) if facts.get("ActiveState") not in running]


def _unit_lines(failing: list[dict[str, str]]) -> Iterator[str]:
    for facts in failing:
        words = " ".join(f"{key}={value}" for key, value in facts.items() if key != "Id")
        yield f"unit {facts['Id']}: {words}"


def _default_clusters() -> Iterator[str]:
    """Yield the clusters that Debian's packages made and started beside ours."""
    folder = "/run/postgresql"
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(names):
        if name.endswith(".pid"):
            with open(os.path.join(folder, name)) as file:
                pid = file.read().split("\n", 1)[0].strip()
            if pid.isdigit() and os.path.exists(f"/proc/{pid}"):
                yield f"Debian's cluster {name.removesuffix('.pid')} runs as process {pid}"


def _used(certificates: dict[str, list[str]], failing: list[dict[str, str]]) -> list[str]:
    """Return the certificates that a failing unit uses; where none fails, that any unit uses."""
    names = {facts["Id"] for facts in failing}
    return [path for path, users in certificates.items() if not names or names.intersection(users)]


def _is_key(path: str) -> bool:
    with open(path, "rb") as file:
        text = file.read()
    return b"PRIVATE KEY-----" in text and b"BEGIN CERTIFICATE" not in text


def _certificates(paths: list[str]) -> Iterator[str]:
    """Yield which certificates this host's clock calls not valid."""
    import ssl

    now = time.time()
    for path in paths:
        if not os.path.exists(path) or _is_key(path):
            continue
        try:
            facts = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
        except (OSError, ssl.SSLError):
            yield f"certificate {path} cannot be read"
            continue
        if ssl.cert_time_to_seconds(facts["notAfter"]) < now:
            yield f"certificate {path} expired on {facts['notAfter']}"
        if ssl.cert_time_to_seconds(facts["notBefore"]) > now:
            yield f"certificate {path} is valid from {facts['notBefore']} only"


def _listeners(ports: dict[int, list[str]]) -> Iterator[str]:
    """Yield which ports of our services another program holds."""
    if not ports:
        return
    told = str(run_command(["ss", "-Hltnp"], timeout_s=_COMMAND_S)["stdout"])
    for line in told.splitlines():
        words = line.split()
        port = words[3].rpartition(":")[2] if len(words) > 3 else ""
        if not port.isdigit() or int(port) not in ports:
            continue
        for name, pid in _holders(words[-1]):
            unit = _unit_of(pid)
            if pid != _SYSTEMD and unit not in ports[int(port)]:
                yield f"port {port} is held by {name} (process {pid}, {unit or 'no unit'})"


def _holders(users: str) -> Iterator[tuple[str, str]]:
    """Yield name and pid from ss's users:(("nginx",pid=88,fd=5),("nginx",pid=87,fd=5))."""
    for part in users.split('("')[1:]:
        name, _, rest = part.partition('",pid=')
        pid = rest.partition(",")[0]
        if pid.isdigit():
            yield name, pid


def _unit_of(pid: str) -> str:
    """Return the unit whose process this is, by its control group."""
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            groups = file.read().split()
    except OSError:
        return ""
    names = [part for group in groups for part in group.split("/") if part.endswith(".service")]
    return names[-1] if names else ""
