"""Take services away from a node: units, packages that came with them, files, data, users."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import time

from installer.engine.node.base import PENDING, Failure
from installer.engine.node.dpkg import needed_by, present_packages
from installer.engine.node.files import remove
from installer.engine.node.record import forget, only_one, recorded, recording, records
from installer.engine.node.script import checked, last_lines, run_command
from installer.engine.node.writing import forget as forget_written
from installer.engine.node.written import written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_STOP_S = 180
_PURGE_S = 900
_TOOL_S = 60
_POLL_S = 0.05


def main(request: dict[str, Any]) -> list[str]:
    """Do what `installer.engine.removal` asks for; return a line for each thing that went."""
    if not has_traces():
        return []  # whatever has our names here is somebody else's
    with only_one("removal.lock"):  # one of a controller that was killed may still be at it
        return _remove(request)


def _remove(request: dict[str, Any]) -> list[str]:
    if not has_traces():
        return []  # the one that we waited for has done it
    recording(lambda: None)  # what an installation brought that was killed
    files = [*request["files"], *(_written_files() if request["with_written"] else ())]
    files = list(dict.fromkeys(files))
    told = [*_end_units(request["units"]), *_unmask(request["masked"])]
    told += _purge(set(request["needs"]))
    told += _mend_hints(files)
    told += _delete([*files, *request["trees"]], request["kept"])
    told += _delete_users(set(request["users"]), everyone=request["is_whole"])
    _forget_written(request)
    remove([f"{PENDING}/{unit}" for unit in request["units"]])
    _systemctl("daemon-reload")
    return told


def has_traces() -> bool:
    """Tell whether a run of ours has ever changed this host, and no removal has finished since."""
    named = any(written().get(kind) for kind in ("file", "unit"))
    return named or any(os.path.exists(path) for path in records())


def _written_files() -> list[str]:
    """Return the files that our runs wrote, also those that no release wants any more."""
    return list(written().get("file", ()))


def _forget_written(request: dict[str, Any]) -> None:
    """Take what goes off the record of what our runs left here."""
    gone = {*request["files"], *request["units"], *request["masked"]}
    folders = tuple(f"{path}/" for path in request["trees"])
    there = present_packages()

    def has_gone(kind: str, name: str) -> bool:
        if kind == "package":
            return name not in there
        return request["is_whole"] or name in gone or name.startswith(folders)

    forget_written(has_gone)


def _end_units(units: list[str]) -> list[str]:
    """Stop and disable units one after the other: what comes later serves what came before."""
    there = [unit for unit in units if _is_loaded(unit)]
    for unit in there:
        _systemctl("disable", "--now", unit)
        run_command(["systemctl", "reset-failed", unit], timeout_s=_TOOL_S)  # may not have failed
    return [f"stop and disable {unit}" for unit in there]


def _unmask(units: list[str]) -> list[str]:
    masked = [unit for unit in units if os.path.islink(f"/etc/systemd/system/{unit}")]
    if masked:
        _systemctl("unmask", *masked)
    return [f"unmask {unit}" for unit in masked]


def _is_loaded(unit: str) -> bool:
    words = ["systemctl", "show", "--property=LoadState", "--value", "--", unit]
    remedy = "check that systemd runs on this host"
    return checked(words, timeout_s=_TOOL_S, remedy=remedy).strip() != "not-found"


def _systemctl(*words: str) -> None:
    remedy = f"see `systemctl status {words[-1]}` and `journalctl -u {words[-1]} -n 50`"
    checked(["systemctl", *words], timeout_s=_STOP_S, remedy=remedy)


def _purge(wanted: set[str]) -> list[str]:
    """Purge what we brought, but for what other packages or the remaining services need."""
    there, ours = present_packages(), recorded("packages")
    needed = needed_by((set(there) - ours) | wanted, there)
    leaving = sorted((ours & set(there)) - needed)
    if leaving:
        words = ["dpkg", "--force-unsafe-io", "--purge", *leaving]
        done = run_command(words, timeout_s=_PURGE_S)
        if done["code"] != 0:
            raise Failure("dpkg --purge", last_lines(done, 20), "repair the host's dpkg, run again")
    forget("packages", ours - needed)
    return [f"purge package {name}" for name in leaving]


def _mend_hints(paths: list[str]) -> list[str]:
    """Tell how to get the files back that we replaced in packages that were here before us."""
    return [
        f"{path} goes too; `apt-get install --reinstall -o Dpkg::Options::=--force-confmiss"
        f" {package}` brings that of the package back"
        for path, package in _owners(paths).items()
        if os.path.lexists(path)
    ]


def _owners(paths: list[str]) -> dict[str, str]:
    """Return the packages that own some of these paths."""
    if not paths:
        return {}
    done = run_command(["dpkg-query", "--search", *paths], timeout_s=_TOOL_S)  # 1: not all have
    rows = [line.partition(": ") for line in done["stdout"].splitlines()]
    return {path: package for package, _, path in rows if path in paths}


def _delete(paths: list[str], kept: list[str]) -> list[str]:
    """Delete files and trees, but nothing that is in `kept` or has some of it below."""
    gone = []
    for path in paths:
        if os.path.lexists(path) and not any(f"{keep}/".startswith(f"{path}/") for keep in kept):
            remove([path])
            gone.append(path)
    _prune({os.path.dirname(path) for path in paths}, kept)
    return [f"delete {path}" for path in gone]


def _prune(folders: set[str], kept: list[str]) -> None:
    """Remove directories that are empty now, but for those of packages."""
    while folders:
        empty = [path for path in folders if os.path.isdir(path) and not os.listdir(path)]
        owned = _owners(empty)
        ours = [path for path in empty if path not in owned and path not in kept]
        for path in ours:
            os.rmdir(path)
        gone = {path for path in folders if not os.path.lexists(path)}
        folders = {os.path.dirname(path) for path in gone} - {"/"}


def _delete_users(named: set[str], *, everyone: bool) -> list[str]:
    """Delete the users and groups that we brought: those named, or every one."""
    users = {n for n in recorded("users") if everyone or n in named}
    groups = {n for n in recorded("groups") if everyone or n in named}
    there = sorted(users & {user.pw_name for user in pwd.getpwall()})
    for name in there:
        _end_processes(pwd.getpwnam(name).pw_uid)
        _tool("userdel", name)
    for name in sorted(groups & {group.gr_name for group in grp.getgrall()}):
        _tool("groupdel", name)
    forget("users", users)
    forget("groups", groups)
    return [f"delete user {name}" for name in there]


def _end_processes(uid: int) -> None:
    """End what still runs as a user, such as a PostgreSQL that its Patroni left; userdel refuses.

    Not every Debian has a tool for it. What does not end is userdel's to tell.
    """
    deadline = time.monotonic() + _TOOL_S
    while (running := _processes_of(uid)) and time.monotonic() < deadline:
        for pid in running:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def _processes_of(uid: int) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as status:
                lines = [line.split() for line in status if line.startswith("Uid:")]
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        if any(str(uid) in line[1:] for line in lines):
            found.append(int(pid))
    return found


def _tool(*words: str) -> None:
    checked(list(words), timeout_s=_TOOL_S, remedy="end what still runs as this user, run again")
