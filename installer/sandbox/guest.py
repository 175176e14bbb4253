"""One host's system: boot it, find its PID 1, stop it, cut its power."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.errors import NotHealthy, Problem
from installer.sandbox.cgroup import host_groups, machine_has_systemd
from installer.sandbox.process import ProcessId, children_of, identify, start_detached

STOP_TIMEOUT_S = 100.0  # systemd kills a service that does not stop within 90 s
_KILL_TIMEOUT_S = 5.0
_POWEROFF = signal.SIGRTMIN + 4  # systemd(1): starts poweroff.target
_MACHINE_NAME = 64  # HOST_NAME_MAX

# what a service on a real machine may have and nspawn takes away: virtual addresses,
# locked memory, limits above the default, packet filters of units
_CAPABILITIES = "CAP_NET_ADMIN,CAP_IPC_LOCK,CAP_SYS_RESOURCE,CAP_BPF"

# $1… are control groups up to --, then comes the command
_JOIN_GROUPS = """\
while [ "$1" != -- ]; do mkdir -p "$1"; echo $$ >"$1/cgroup.procs"; shift; done
shift
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a host lives: its names, its folder, the file that names its network namespace."""

    sandbox: str
    host: str
    folder: Path
    namespace: Path


def boot_command(place: Place) -> list[str]:
    """Return the systemd-nspawn command that boots a host's root file system."""
    machine = f"{place.sandbox}-{place.host}"[:_MACHINE_NAME].rstrip("-.")
    # without a systemd on the machine there is nobody to ask for a unit
    unit = [] if machine_has_systemd() else ["--keep-unit"]
    return [
        *("systemd-nspawn", "--quiet", "--boot", "--register=no", *unit),
        f"--directory={place.folder / 'root'}",
        f"--machine={machine}",
        f"--network-namespace-path={place.namespace}",
        f"--capability={_CAPABILITIES}",
        "--system-call-filter=bpf",  # without it IPAddressDeny= of a unit is silently nothing
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
    ]


def boot(keeper: ProcessId, place: Place) -> ProcessId:
    """Start a host's systemd-nspawn among the sandbox's mounts and return its identity."""
    groups = [str(group) for group in host_groups(place.sandbox, place.host)]
    command = boot_command(place)
    return start_detached(
        [
            *("sh", "-c", _JOIN_GROUPS, "boot", *groups, "--"),
            *("nsenter", f"--target={keeper.pid}", "--mount", "--", *command),
        ],
        log=place.folder / "console.log",
        environment=_environment(),
    )


def leader_of(supervisor: ProcessId | None) -> int | None:
    """Return the number of a host's PID 1 as this machine counts; None when it is off."""
    if supervisor is None or not supervisor.is_alive():
        return None
    return next((pid for pid in children_of(supervisor.pid) if _is_init(pid)), None)


def power_off(supervisor: ProcessId) -> None:
    """Shut a host down in order; raises NotHealthy when it does not end in time."""
    leader = leader_of(supervisor)
    if leader is not None:
        identify(leader).kill(_POWEROFF)
    if not supervisor.wait(STOP_TIMEOUT_S):
        raise NotHealthy(
            Problem(
                where=f"systemd-nspawn {supervisor.pid}",
                what=f"the host did not shut down within {STOP_TIMEOUT_S:.0f} s",
                remedy="read its console.log, or cut its power: `sandbox fail … power-off`",
            )
        )


def cut_power(supervisors: Sequence[ProcessId]) -> None:
    """Kill the PID 1 of hosts, and with it every process on them, at once."""
    for supervisor in supervisors:
        leader = leader_of(supervisor)
        if leader is not None:
            identify(leader).kill(signal.SIGKILL)
    for supervisor in supervisors:
        if not supervisor.wait(_KILL_TIMEOUT_S):
            supervisor.kill(signal.SIGKILL)
            supervisor.wait(_KILL_TIMEOUT_S)


def enter_host(leader: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs another one on the host, as its root."""
    spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/root")
    clean = (
        "HOME=/root",
        "USER=root",
        "LOGNAME=root",
        "SHELL=/bin/bash",
        "LANG=C.UTF-8",
        f"TERM={os.environ.get('TERM', 'dumb')}",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
    return ["nsenter", f"--target={leader}", *spaces, "--", "env", "-i", *clean, *command]


def _is_init(pid: int) -> bool:
    """Tell whether a process is PID 1 of a process namespace of its own."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
    return len(numbers) > 2 and numbers[-1] == "1"


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",  # systemd 257 refuses to boot without cgroup2
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",  # a host owns its /proc/sys/net
    }
