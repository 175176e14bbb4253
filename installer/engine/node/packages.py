"""Install packages from the node's own apt sources, near the speed of plain dpkg."""

import os
import time
from typing import Any

from installer.engine.node import observe
from installer.engine.node.files import owe_restarts, remove, write_files
from installer.engine.node.observe import POLICY, POLICY_MARK
from installer.engine.node.script import Failure, last_lines, run_command
from installer.engine.node.units import mask_units

_HOME = "/var/lib/cfy_manager"
_LOCK_S = 300
_SAVED_POLICY = POLICY + ".before-cfy_manager"
_UNCLEAN = (
    " unpacked",
    " half-configured",
    " half-installed",
    " triggers-pending",
    " triggers-awaited",
)
_OPTIONS = (
    "-y",
    "-q",
    "--no-install-recommends",
    f"-oDPkg::Lock::Timeout={_LOCK_S}",
    "-oDpkg::Options::=--force-confdef",
    "-oDpkg::Options::=--force-confold",
    "-oDpkg::Options::=--force-unsafe-io",
    "-oDpkg::Use-Pty=0",
)


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Write what must be there before packages come, install them, and observe the result."""
    with _only_one():
        owe_restarts(request["marks"])
        write_files(request["files"])
        mask_units(request["mask"])
        if request["packages"]:
            with_policy(lambda: _install(request["packages"], request["timeout_s"]))
        remove_leftovers()
    return observe.main(request["observe"])


def _only_one() -> Any:
    """Hold off a second program like this: roles of one node may install at the same time."""
    import fcntl

    os.makedirs(_HOME, mode=0o700, exist_ok=True)
    lock = open(f"{_HOME}/packages.lock", "w")  # noqa: SIM115 - the caller's `with` closes it
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def with_policy(act: Any) -> None:
    """Let no package start its services while `act` runs.

    The policy denies only while this process lives, so a kill leaves nothing that binds; the next
    run removes the file. A policy that was there before stays in force and comes back.
    """
    remove_leftovers()
    if os.path.lexists(POLICY):
        os.rename(POLICY, _SAVED_POLICY)
    started = _start_time(os.getpid())
    text = (
        f"#!/bin/sh\n# {POLICY_MARK.decode()}: services start when they are configured.\n"
        f'[ "$(cut -d" " -f22 /proc/{os.getpid()}/stat 2>/dev/null)" = "{started}" ] && exit 101\n'
        f'[ -x {_SAVED_POLICY} ] && exec {_SAVED_POLICY} "$@"\nexit 0\n'
    )
    entry = {"path": POLICY, "owner": "root", "group": None, "mode": 0o755}
    write_files([entry | {"content": text.encode()}])
    try:
        act()
    finally:
        remove_leftovers()


def remove_leftovers() -> None:
    """Take our policy away and bring back the one that it replaced."""
    if observe.is_our_policy():
        remove([POLICY])
    if os.path.lexists(_SAVED_POLICY) and not os.path.lexists(POLICY):
        os.rename(_SAVED_POLICY, POLICY)


def _start_time(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[19]


def _install(packages: list[str], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    if _needs_repair():
        _run(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"], deadline)
    if _lists_are_stale():
        _update(deadline)
    install = ["apt-get", "install", *_OPTIONS, *packages]
    done = run_command(install, timeout_s=deadline - time.monotonic())
    if done["code"] != 0 and _wants_update(done["stdout"] + done["stderr"]):
        _update(deadline)
        done = run_command(install, timeout_s=deadline - time.monotonic())
    if done["code"] != 0:
        raise Failure(
            "apt-get install", last_lines(done, 20), "repair the host's apt and run again"
        )


def _update(deadline: float) -> None:
    _run(["apt-get", "update", "-q", f"-oDPkg::Lock::Timeout={_LOCK_S}"], deadline)


def _run(words: list[str], deadline: float) -> None:
    done = run_command(words, timeout_s=deadline - time.monotonic())
    if done["code"] != 0:
        where = " ".join(words[:3])
        raise Failure(
            where, last_lines(done, 20), f"run `{where}` on the host and see why it fails"
        )


def _needs_repair() -> bool:
    """Tell whether dpkg was interrupted: packages between two states, or an unfinished journal."""
    if os.listdir("/var/lib/dpkg/updates"):
        return True
    with open("/var/lib/dpkg/status", encoding="utf-8", errors="replace") as status:
        return any(
            line.startswith("Status:") and line.rstrip().endswith(_UNCLEAN) for line in status
        )


def _lists_are_stale() -> bool:
    """Tell whether a source, or the index of a repository on disk, is newer than apt's lists."""
    lists = "/var/lib/apt/lists"
    if not any(name.endswith(("Packages", "InRelease", "Release")) for name in os.listdir(lists)):
        return True
    read = max(os.stat(f"{lists}/{name}").st_mtime for name in os.listdir(lists))
    folder = "/etc/apt/sources.list.d"
    return any(os.stat(f"{folder}/{name}").st_mtime > read for name in os.listdir(folder))


def _wants_update(output: str) -> bool:
    told = ("Unable to locate", "no installation candidate", "Failed to fetch", "404")
    return any(words in output for words in told)
