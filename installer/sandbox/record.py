"""The state file of a sandbox: what was made, so that any later command can find and undo it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from installer.errors import ConfigError, Problem
from installer.sandbox.plan import HostPlan, Interface, Plan, Segment
from installer.sandbox.process import ProcessId

_FORMAT = 1


class FaultKind(StrEnum):
    """What can be broken."""

    POWER_OFF = "power-off"
    STOP = "stop"
    CUT = "cut"
    CUT_PAIR = "cut-pair"
    FREEZE = "freeze"
    FILL_DISK = "fill-disk"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault that is in force; `watcher` is the process that will heal it, if any."""

    number: int
    kind: FaultKind
    hosts: tuple[str, ...]
    detail: str = ""
    watcher: ProcessId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is known of one sandbox."""

    name: str
    suite: str
    image: str
    plan: Plan
    keeper: ProcessId | None = None
    supervisors: dict[str, ProcessId] = field(default_factory=dict)  # host → systemd-nspawn
    faults: tuple[Fault, ...] = ()

    def host(self, name: str) -> HostPlan:
        """Return the host of this name; raises ConfigError when there is none."""
        for host in self.plan.hosts:
            if host.name == name:
                return host
        raise ConfigError(
            Problem(
                where=f"sandbox {self.name}",
                what=f"has no host {name!r}",
                remedy=f"its hosts are {', '.join(host.name for host in self.plan.hosts)}",
            )
        )


def sandboxes_dir() -> Path:
    """Return where sandboxes live; CFY_MANAGER_SANDBOXES names another place."""
    place = os.environ.get("CFY_MANAGER_SANDBOXES", "/var/lib/cfy_manager/sandboxes")
    return Path(place).resolve()  # the kernel names mounts by this path


def sandbox_dir(name: str) -> Path:
    """Return the folder of one sandbox."""
    return sandboxes_dir() / name


def host_dir(name: str, host: str) -> Path:
    """Return the folder of one host: its disk, its root file system, its console's log."""
    return sandbox_dir(name) / "hosts" / host


def ssh_dir(name: str) -> Path:
    """Return the folder with the client key, known_hosts, ssh_config and hosts file."""
    return sandbox_dir(name) / "ssh"


def namespace_of(name: str, host: str) -> Path:
    """Return the file that names a host's network namespace; the keeper alone sees it."""
    return sandbox_dir(name) / "netns" / host


def recorded_names(*, whole: bool = False) -> list[str]:
    """Return the names of all sandboxes here; `whole` leaves out those that are half made."""
    if not sandboxes_dir().is_dir():
        return []
    names = sorted(entry.name for entry in sandboxes_dir().iterdir() if entry.is_dir())
    return [name for name in names if not whole or _path(name).exists()]


def load(name: str) -> Record:
    """Return the record of a sandbox; raises ConfigError when there is no such sandbox."""
    try:
        text = _path(name).read_text()
    except FileNotFoundError as error:
        others = ", ".join(recorded_names()) or "none"
        raise ConfigError(
            Problem(
                where=f"sandbox {name}",
                what=f"is not up (sandboxes here: {others})",
                remedy=f"run `cfy_manager sandbox up --name {name} --hosts 3`",
            )
        ) from error
    return parse(text)


def save(record: Record) -> None:
    """Write the record so that a reader sees the old one or the new one, never half."""
    path = _path(record.name)
    fresh = path.with_suffix(".new")
    fresh.write_text(render(record))
    fresh.rename(path)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the sandbox's lock, so that two commands do not change it together."""
    sandboxes_dir().mkdir(parents=True, exist_ok=True)
    # the lock lies beside the folder, because `down` removes the folder while it holds the lock
    path = sandboxes_dir() / f".{name}.lock"
    handle = _lock(path)
    try:
        yield
    finally:
        if not sandbox_dir(name).exists():
            path.unlink()
        handle.close()


def render(record: Record) -> str:
    """Return the text of the state file."""
    return json.dumps({"format": _FORMAT, **asdict(record)}, indent=1)


def parse(text: str) -> Record:
    """Return the record that `render` wrote."""
    data = json.loads(text)
    return Record(
        name=data["name"],
        suite=data["suite"],
        image=data["image"],
        plan=_plan(data["plan"]),
        keeper=_process(data["keeper"]),
        supervisors={host: ProcessId(**process) for host, process in data["supervisors"].items()},
        faults=tuple(_fault(fault) for fault in data["faults"]),
    )


def _plan(data: dict[str, Any]) -> Plan:
    return Plan(
        segments=tuple(Segment(**segment) for segment in data["segments"]),
        hosts=tuple(map(_host, data["hosts"])),
    )


def _host(data: dict[str, Any]) -> HostPlan:
    interfaces = tuple(map(_interface, data["interfaces"]))
    return HostPlan(data["name"], data["number"], interfaces, tuple(data.get("aliases", ())))


def _interface(data: dict[str, Any]) -> Interface:
    return Interface(data["name"], data["bridge"], tuple(data["addresses"]))


def _fault(data: dict[str, Any]) -> Fault:
    return Fault(
        number=data["number"],
        kind=FaultKind(data["kind"]),
        hosts=tuple(data["hosts"]),
        detail=data["detail"],
        watcher=_process(data["watcher"]),
    )


def _process(data: dict[str, int] | None) -> ProcessId | None:
    return None if data is None else ProcessId(**data)


def _lock(path: Path) -> IO[str]:
    while True:
        handle = path.open("w")
        fcntl.flock(handle, fcntl.LOCK_EX)
        # the one before us may have removed the file that we waited for
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle.fileno()).st_ino:
                return handle
        handle.close()


def _path(name: str) -> Path:
    return sandbox_dir(name) / "sandbox.json"
