"""Read everything that the engine wants to know of a node, in one go."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import sys

from installer.engine.node.base import ASIDE, MAN_INDEX, PENDING, POLICY, POLICY_MARK, Failure
from installer.engine.node.written import written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
_TEXT_LIMIT = 512 * 1024
_TOOL_S = 30
_UNIT_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Look at what the request names."""
    return observation(request)


def observation(request: dict[str, Any]) -> dict[str, Any]:
    """Return what `installer.engine.observation.read_observation` reads."""
    record = written()
    others = [path for path in record.get("file", ()) if path not in request["hashed"]]
    return {
        "paths": paths(request["paths"], request["hashed"], request["with_text"]),
        "written": record,
        "strays": paths(others, others) if request["with_strays"] else {},
        "users": users(request["users"]),
        "packages": _packages(request["packages"]),
        "units": _units(request["units"]),
        "pending": _pending(),
        "leftovers": _leftovers(),
        "guards": _guards(request["guards"]),
        "facts": node_facts(),
    }


def _sha256() -> Any:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found] # Python 3.12 and later
    except ImportError:
        from hashlib import sha256
    return sha256


def paths(names: Any, hashed: Any = (), with_text: Any = ()) -> dict[str, Any]:
    """Return (kind, mode, owner, group, hash, text) of each path, or None when there is none."""
    names_of: tuple[dict[int, str], dict[int, str]] = {}, {}
    return {path: _path(path, path in hashed, path in with_text, names_of) for path in names}


def _path(path: str, is_hashed: bool, shows_text: bool, names_of: Any) -> tuple[Any, ...] | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    digest, text = "", None
    if kind == "file" and is_hashed:
        with open(path, "rb") as file:
            content = file.read()
        digest = _sha256()(content).hexdigest()
        if shows_text:
            text = content[:_TEXT_LIMIT].decode("utf-8", "replace")
    owners, groups = names_of  # a lookup may ask a directory service: once for each number
    if found.st_uid not in owners:
        owners[found.st_uid] = _owner(found.st_uid)
    if found.st_gid not in groups:
        groups[found.st_gid] = _group(found.st_gid)
    mode = stat.S_IMODE(found.st_mode)
    return kind, mode, owners[found.st_uid], groups[found.st_gid], digest, text


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def users(names: Any) -> dict[str, Any]:
    """Return (primary group, home, further groups) of each user, or None when there is none."""
    return {name: _user(name) for name in names}


def _user(name: str) -> tuple[str, str, list[str]] | None:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None
    further = [group.gr_name for group in grp.getgrall() if name in group.gr_mem]
    return _group(user.pw_gid), user.pw_dir, further


def _packages(names: list[str]) -> dict[str, str]:
    """Return the version of each package that is installed and configured."""
    if not names:
        return {}
    from installer.engine.node.script import run_command

    form = "${Package}\t${db:Status-Status}\t${Version}\n"
    done = run_command(["dpkg-query", "-W", "-f", form, *names], timeout_s=_TOOL_S)
    rows = (line.split("\t") for line in done["stdout"].splitlines())
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def _units(names: list[str]) -> dict[str, list[str]]:
    """Return the values of _UNIT_PROPERTIES for each unit."""
    if not names:
        return {}
    from installer.engine.node.script import last_lines, run_command

    options = [f"--property={name}" for name in _UNIT_PROPERTIES]
    done = run_command(["systemctl", "show", *options, "--", *names], timeout_s=_TOOL_S)
    blocks = done["stdout"].strip("\n").split("\n\n")
    if done["code"] != 0 or len(blocks) != len(names):
        raise Failure("systemctl show", last_lines(done), "check that systemd runs on this host")
    read = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
    rows = [[block.get(name, "") for name in _UNIT_PROPERTIES] for block in read]
    return dict(zip(names, rows, strict=True))


def _pending() -> dict[str, str]:
    """Return the units whose restart or reload a former run still owes."""
    if not os.path.isdir(PENDING):
        return {}
    found = {}
    for name in os.listdir(PENDING):
        with open(f"{PENDING}/{name}") as file:
            found[name] = file.read().strip()
    return found


def _leftovers() -> list[str]:
    """Return what a killed installation of packages left behind."""
    aside = [path + ASIDE for path in (POLICY, MAN_INDEX) if os.path.lexists(path + ASIDE)]
    return [POLICY, *aside] if is_our_policy() else aside


def is_our_policy() -> bool:
    """Tell whether /usr/sbin/policy-rc.d is ours."""
    try:
        with open(POLICY, "rb") as file:
            return POLICY_MARK in file.read(4096)
    except FileNotFoundError:
        return False


def _guards(guards: list[tuple[str, str, dict[str, str], int]]) -> dict[str, tuple[int, str]]:
    """Return (exit code, last words) of every guard; they run side by side."""
    if not guards:
        return {}
    from threading import Thread

    from installer.engine.node.script import run_script

    found: dict[str, tuple[int, str]] = {}

    def ask(key: str, script: str, secrets: dict[str, str], timeout_s: int) -> None:
        done = run_script(script, secrets, timeout_s)
        found[key] = done["code"], (done["stdout"] + done["stderr"])[-2000:]

    threads = [Thread(target=ask, args=guard) for guard in guards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def node_facts() -> dict[str, Any]:
    """Return what `installer.engine.observation.NodeFacts` holds."""
    system = os.uname()
    release = _assignments("/etc/os-release")
    memory = _memory_bytes()
    return {
        "os_id": release.get("ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "architecture": system.machine,
        "python": ".".join(str(part) for part in sys.version_info[:3]),
        "hostname": system.nodename,
        "cpus": os.cpu_count() or 1,
        "memory_bytes": memory,
        "has_ipv6": os.path.exists("/proc/net/if_inet6"),
    }


def _assignments(path: str) -> dict[str, str]:
    with open(path) as file:
        pairs = (line.rstrip("\n").partition("=") for line in file)
        return {name: value.strip('"') for name, _, value in pairs}


def _memory_bytes() -> int:
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1]) * 1024
