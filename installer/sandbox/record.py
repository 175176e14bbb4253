"""The state file of a sandbox: what was made, so that any later command can find and undo it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from installer.errors import ConfigError, Problem
from installer.sandbox.plan import HostPlan, Interface, Plan, Segment
from installer.sandbox.process import ProcessId

_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault that is in force; `watcher` is the process that will heal it, if any."""

    number: int
    kind: str
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
    return Path(os.environ.get("CFY_MANAGER_SANDBOXES", "/var/lib/cfy_manager/sandboxes"))


def sandbox_dir(name: str) -> Path:
    """Return the folder of one sandbox."""
    return sandboxes_dir() / name


def recorded_names() -> list[str]:
    """Return the names of all sandboxes that have a folder, whole or half made."""
    if not sandboxes_dir().is_dir():
        return []
    return sorted(entry.name for entry in sandboxes_dir().iterdir() if entry.is_dir())


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
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if not sandbox_dir(name).exists():
                path.unlink(missing_ok=True)


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
        hosts=tuple(
            HostPlan(host["name"], host["number"], tuple(map(_interface, host["interfaces"])))
            for host in data["hosts"]
        ),
    )


def _interface(data: dict[str, Any]) -> Interface:
    return Interface(data["name"], data["bridge"], tuple(data["addresses"]))


def _fault(data: dict[str, Any]) -> Fault:
    return Fault(**{**data, "hosts": tuple(data["hosts"]), "watcher": _process(data["watcher"])})


def _process(data: dict[str, int] | None) -> ProcessId | None:
    return None if data is None else ProcessId(**data)


def _path(name: str) -> Path:
    return sandbox_dir(name) / "sandbox.json"
