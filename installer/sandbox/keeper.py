"""The process that holds a sandbox's namespaces: all mounts and networks end with it.

Mounts are made in its mount namespace, bridges in its network namespace, so nothing appears among
those of the machine, and the kernel removes everything when the last process has gone.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from installer.errors import PhaseFailed, Problem
from installer.sandbox.process import ProcessId, identify, run

# $0 is the sandbox's folder. systemd-nspawn keeps locks and sockets by machine name in
# /run/systemd/nspawn: an own one lets two sandboxes have hosts of the same name.
_HOLD = """\
set -eu
mkdir -p /run/systemd/nspawn "$0/netns"
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs "$0/netns"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward  # an address of no host is unreachable at once
echo ready
exec sleep infinity >/dev/null
"""


def start_keeper(folder: Path) -> ProcessId:
    """Start the process that holds the namespaces of the sandbox in this folder."""
    process = subprocess.Popen(
        ["unshare", "--mount", "--net", "--", "sh", "-c", _HOLD, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    assert process.stderr is not None  # noqa: S101
    with process.stdout, process.stderr:
        if process.stdout.readline() != "ready\n":
            process.kill()
            raise PhaseFailed(
                Problem(
                    where="sandbox namespaces",
                    what=process.stderr.read().strip() or "the keeper did not start",
                    remedy="run `cfy_manager sandbox check`",
                )
            )
    return identify(process.pid)


def run_inside(keeper: ProcessId, argv: Sequence[str], *, stdin: str | None = None) -> str:
    """Run a tool among the sandbox's mounts and networks and return what it printed."""
    return run(["nsenter", f"--target={keeper.pid}", "--mount", "--net", "--", *argv], stdin=stdin)


def seen_by(keeper: ProcessId, path: Path) -> Path:
    """Return the path under which this process sees a file on the sandbox's mounts."""
    return Path(f"/proc/{keeper.pid}/root") / path.relative_to("/")
