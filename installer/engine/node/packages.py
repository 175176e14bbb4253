"""Install packages from the node's own apt sources, near the speed of plain dpkg."""

from __future__ import annotations

import os
import time

from installer.engine.node.base import ASIDE, HOME, MAN_INDEX, POLICY, POLICY_MARK, Failure
from installer.engine.node.files import owe_restarts, remove, write_files
from installer.engine.node.observe import is_our_policy, observation
from installer.engine.node.record import recording
from installer.engine.node.script import last_lines, run_command
from installer.engine.node.units import mask_units
from installer.engine.node.writing import note, write_ours
from installer.engine.node.written import written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

BUNDLE = HOME + "/apt/apt.conf"  # what the offline bundle brings: its own source and lists

_LOCK_S = 300
_RELOAD_S = 60
_LISTS = "/var/lib/apt/lists"
_LISTS_AGE_S = 86_400
_UNCLEAN = tuple(
    f" {state}"
    for state in (
        "unpacked",
        "half-configured",
        "half-installed",
        "triggers-pending",
        "triggers-awaited",
    )
)
_DPKG = ("--force-confdef", "--force-confold", "--force-unsafe-io")
_QUIET = {"NEEDRESTART_SUSPEND": "1", "APT_LISTCHANGES_FRONTEND": "none"}
# systemctl in packages' scripts then links units and leaves systemd alone: each of its reloads
# costs 0.2 s of CPU, and one at the end does. 7 % of what a database node's packages cost.
_OFFLINE = {"SYSTEMD_OFFLINE": "1"}


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write what must be there before packages come, install them, and observe the result."""
    with only_one():
        remove_leftovers()
        owe_restarts(request["marks"])
        copies = write_ours(request["files"])
        mask_units(request["mask"])
        if request["packages"]:
            wanted = request["packages"], request["timeout_s"]
            recording(lambda: with_nothing_started(lambda: install(*wanted)))
        if request["packages"] or request["mask"]:
            run_command(["systemctl", "daemon-reload"], timeout_s=_RELOAD_S)
    seen = observation(request["observe"])
    fresh = {n: v for n, v in seen["packages"].items() if n in request["packages"]}
    note({"package": fresh})
    return seen | {"written": written(), "copies": copies}


def only_one() -> Any:
    """Hold off a second program like this: roles of one node may install at the same time."""
    import fcntl

    os.makedirs(HOME, mode=0o700, exist_ok=True)
    lock = open(f"{HOME}/packages.lock", "w")  # noqa: SIM115 - the caller's `with` closes it
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def with_nothing_started(act: Any) -> None:
    """Let no package start its services, nor index manual pages, while `act` runs.

    The policy denies only while this process lives, so a kill leaves nothing that binds; the next
    run takes it away. A policy that was there before stays in force and comes back.
    """
    for path in (POLICY, MAN_INDEX):
        if os.path.lexists(path):
            os.rename(path, path + ASIDE)
    pid = os.getpid()
    text = (
        f"#!/bin/sh\n# {POLICY_MARK.decode()}: services start when they are configured.\n"
        f'[ "$(cut -d" " -f22 /proc/{pid}/stat 2>/dev/null)" = {_start_time(pid)} ] && exit 101\n'
        f'[ -x {POLICY}{ASIDE} ] && exec {POLICY}{ASIDE} "$@"\nexit 0\n'
    )
    entry = {"path": POLICY, "owner": "root", "group": None, "mode": 0o755}
    try:
        write_files([entry | {"content": text.encode()}])
        act()
    finally:
        remove_leftovers()


def remove_leftovers() -> None:
    """Take our policy away and bring back what was put aside."""
    if is_our_policy():
        remove([POLICY])
    for path in (POLICY, MAN_INDEX):
        if os.path.lexists(path + ASIDE):
            os.rename(path + ASIDE, path)


def _start_time(pid: int) -> str:
    """Return field 22 of /proc/PID/stat; with the pid it names one process of this boot."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().split()[21]


def install(packages: list[str], timeout_s: float, options: tuple[str, ...] = ()) -> None:
    """Install from the bundle when it came, else from the node's own sources.

    A package may be named with its version, as `name=1.0-1`.
    """
    deadline = time.monotonic() + timeout_s
    if _needs_repair():
        _run(["dpkg", "--configure", "-a", *_DPKG], deadline)
    if os.path.exists(BUNDLE):
        # Whole by itself; its message is the one to show. Sources that a host cannot reach would
        # be waited for. Its lists cost 0.1 s, so they are read again each time.
        apt = ["apt-get", "-c", BUNDLE]
        _run([*apt, "update"], deadline)
        # An upgrade must be able to stop what runs; the question costs 0.1 s.
        apt += options
        planned = run_command([*apt, "install", "--simulate", *packages], timeout_s=_LOCK_S)
        is_new = "\n0 upgraded" in planned["stdout"]
        done = _apt_install(apt, packages, deadline, _OFFLINE if is_new else {})
    else:
        done = _install_from_own_sources(packages, deadline)
    if done["code"] != 0:
        raise Failure("apt-get install", last_lines(done, 20), "repair the host's apt, run again")


def _install_from_own_sources(packages: list[str], deadline: float) -> dict[str, Any]:
    apt = ["apt-get"]
    if _lists_are_stale():
        _run([*apt, "update"], deadline)
    done = _apt_install(apt, packages, deadline)
    if done["code"] != 0 and _wants_update(done["stdout"] + done["stderr"]):
        _run([*apt, "update"], deadline)
        done = _apt_install(apt, packages, deadline)
    return done


def _apt_install(
    apt: list[str], packages: list[str], deadline: float, variables: Any = ()
) -> dict[str, Any]:
    """Install in one transaction; 3 % slower than `dpkg --install` of the same archives."""
    options = [
        "-y",
        "-q",
        "--no-install-recommends",
        f"-oDPkg::Lock::Timeout={_LOCK_S}",
        "-oDpkg::Use-Pty=0",
        *(f"-oDpkg::Options::={option}" for option in _DPKG),
    ]
    command = [*apt, "install", *options, *packages]
    quiet = _QUIET | dict(variables)
    return run_command(command, timeout_s=deadline - time.monotonic(), variables=quiet)


def _run(words: list[str], deadline: float) -> None:
    done = run_command(words, timeout_s=deadline - time.monotonic(), variables=_QUIET)
    if done["code"] != 0:
        where = " ".join(words[:3])
        raise Failure(where, last_lines(done, 20), f"run `{where}` there and see why it fails")


def _needs_repair() -> bool:
    """Tell whether dpkg was interrupted: packages between two states, or an unfinished journal."""
    if os.listdir("/var/lib/dpkg/updates"):
        return True
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as status:
        return any(
            line.startswith("Status:") and line.rstrip().endswith(_UNCLEAN) for line in status
        )


def _lists_are_stale() -> bool:
    """Tell whether apt's lists are missing, a day old, or older than a source."""
    lists = [name for name in os.listdir(_LISTS) if name.endswith(("Packages", "Release", ".lz4"))]
    if not lists:
        return True
    read = max(os.stat(f"{_LISTS}/{name}").st_ctime for name in lists)
    folder = "/etc/apt/sources.list.d"
    changed = [os.stat(f"{folder}/{name}").st_mtime for name in os.listdir(folder)]
    return max([time.time() - _LISTS_AGE_S, *changed]) > read


def _wants_update(output: str) -> bool:
    told = ("Unable to locate", "no installation candidate", "Failed to fetch", "404")
    return any(words in output for words in told)
