"""The process that holds a sandbox's namespaces: all mounts and networks end with it.

Mounts are made in its mount namespace, bridges in its network namespace, so nothing appears among
those of the machine, and the kernel removes everything when the last process has gone.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from installer.errors import PhaseFailed, Problem
from installer.sandbox.process import (
    ProcessId,
    all_processes,
    identify,
    link_of,
    run,
    start_detached,
    wait_until,
)

# $0 is the sandbox's folder. systemd-nspawn keeps locks and sockets by machine name in
# /run/systemd/nspawn: an own one lets two sandboxes have hosts of the same name.
_HOLD = """\
set -eu
mkdir -p /run/systemd/nspawn "$0/netns"
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs "$0/netns"
ip link set lo up
# an address of no host is unreachable at once
echo 1 >/proc/sys/net/ipv4/ip_forward
if [ -e /proc/net/if_inet6 ]; then echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; fi
: >"$0/ready"
exec sleep infinity
"""
_START_TIMEOUT_S = 20.0
_END_TIMEOUT_S = 10.0


def start_keeper(folder: Path) -> ProcessId:
    """Start the process that holds the namespaces of the sandbox in this folder."""
    log = folder / "keeper.log"
    command = ["unshare", "--mount", "--net", "--", "sh", "-c", _HOLD, str(folder)]
    keeper = start_detached(command, log=log)
    ready = folder / "ready"
    wait_until(
        lambda: ready.exists() or not keeper.is_alive(),
        what="the sandbox's namespaces are made",
        timeout_s=_START_TIMEOUT_S,
    )
    if not keeper.is_alive():
        raise PhaseFailed(
            Problem(
                where="sandbox namespaces",
                what=log.read_text().strip() or "the keeper ended",
                remedy="run `cfy_manager sandbox check`",
            )
        )
    return keeper


def run_inside(keeper: ProcessId, argv: Sequence[str], *, stdin: str | None = None) -> str:
    """Run a tool among the sandbox's mounts and networks and return what it printed."""
    return run(["nsenter", f"--target={keeper.pid}", "--mount", "--net", "--", *argv], stdin=stdin)


def seen_by(keeper: ProcessId, path: Path) -> Path:
    """Return the path under which this process sees a file on the sandbox's mounts."""
    return Path(f"/proc/{keeper.pid}/root") / path.relative_to("/")


def kill_inside(folder: Path) -> None:
    """Kill every process that lives in the sandbox of this folder, whoever started it.

    They are known by the sandbox's mounts in their namespace, so a guest whose supervisor was
    killed and a keeper that a killed `up` did not record are found as well.
    """
    wait_until(
        lambda: not _killed(folder),
        what=f"all processes in {folder} have ended",
        timeout_s=_END_TIMEOUT_S,
    )


def _killed(folder: Path) -> list[ProcessId]:
    """Kill what lives in the sandbox now and return it; empty when there was nothing left."""
    inhabitants = [process for process in _identities() if _has_mounts_of(process.pid, folder)]
    networks = {link_of(process.pid, "ns/net") for process in inhabitants}
    networks -= {link_of(os.getpid(), "ns/net"), None}
    for process in _identities():
        # a command of `sandbox exec` may have left the mounts, not the network
        if process in inhabitants or link_of(process.pid, "ns/net") in networks:
            process.kill(signal.SIGKILL)
    return inhabitants


def _has_mounts_of(pid: int, folder: Path) -> bool:
    try:
        mounts = Path(f"/proc/{pid}/mountinfo").read_text()
    except OSError:  # it ended, or the kernel keeps it from us: then it is none of ours
        return False
    return pid != os.getpid() and f"{folder}/" in mounts


def _identities() -> Iterator[ProcessId]:
    for pid in all_processes():
        with suppress(ProcessLookupError):
            yield identify(pid)
