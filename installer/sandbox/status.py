"""What every host of a sandbox is doing now."""

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

from installer.sandbox import guest, record
from installer.sandbox.plan import HostPlan
from installer.sandbox.process import ProcessId
from installer.sandbox.record import Fault, Record

_RUNNING, _OFF = "running", "off"
_HEADS = ("HOST", "ADDRESS", "STATE", "PID", "UPTIME", "FAULTS")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """One host: its addresses, its PID 1 as the machine counts, how long it runs."""

    name: str
    addresses: tuple[str, ...]
    state: str
    pid: int | None
    uptime_s: int | None
    faults: tuple[str, ...]


def host_states(made: Record) -> list[HostStatus]:
    """Return the state of every host, in the order of the inventory."""
    return [_host_state(made, host) for host in made.plan.hosts]


def as_document(made: Record) -> dict[str, Any]:
    """Return the state of a sandbox for programs."""
    folder = record.ssh_dir(made.name)
    return {
        "name": made.name,
        "suite": made.suite,
        "networks": [
            {"subnet": part.subnet, "controller": part.controller} for part in made.plan.segments
        ],
        "ssh": {"config": str(folder / "config"), "private_key": str(folder / "id_ed25519")},
        "hosts": [asdict(host) for host in host_states(made)],
    }


def as_table(made: Record) -> str:
    """Return the state of a sandbox as a table for people."""
    rows = [_HEADS, *(_row(host) for host in host_states(made))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def describe(fault: Fault) -> str:
    """Return a fault in words: `cut-pair db-1 db-2`."""
    words = [fault.kind.value, *fault.hosts, fault.detail]
    watched = " (heals by itself)" if fault.watcher is not None else ""
    return " ".join(word for word in words if word) + watched


def _host_state(made: Record, host: HostPlan) -> HostStatus:
    leader = guest.leader_of(made.supervisors.get(host.name))
    return HostStatus(
        name=host.name,
        addresses=tuple(word for card in host.interfaces for word in card.addresses),
        state=_OFF if leader is None else _RUNNING,
        pid=leader,
        uptime_s=None if leader is None else _age_s(made.supervisors[host.name]),
        faults=tuple(describe(fault) for fault in made.faults if host.name in fault.hosts),
    )


def _row(host: HostStatus) -> tuple[str, ...]:
    return (
        host.name,
        ", ".join(host.addresses),
        host.state,
        "-" if host.pid is None else str(host.pid),
        "-" if host.uptime_s is None else f"{host.uptime_s} s",
        ", ".join(host.faults) or "-",
    )


def _age_s(process: ProcessId) -> int:
    """Return how long a process has been running; its start is counted from the machine's boot."""
    started_s = process.started / os.sysconf("SC_CLK_TCK")
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
