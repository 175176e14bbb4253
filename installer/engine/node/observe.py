"""Read everything that the engine wants to know of a node, in one go."""

import grp
import os
import pwd
import stat
import sys
from typing import Any

from installer.engine.node.script import run_command, run_script

HOME = "/var/lib/cfy_manager"
PENDING = f"{HOME}/pending"
POLICY = "/usr/sbin/policy-rc.d"
MAN_INDEX = "/var/lib/man-db/auto-update"
ASIDE = ".before-cfy_manager"
POLICY_MARK = b"cfy_manager"

_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
_TEXT_LIMIT = 512 * 1024
_TOOL_S = 30
_UNIT_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Look at what the request names."""
    return observation(request)


def observation(request: dict[str, Any]) -> dict[str, Any]:
    """Return what `installer.engine.observation.read_observation` reads."""
    return {
        "paths": {path: _path(path, request) for path in request["paths"]},
        "users": {name: _user(name) for name in request["users"]},
        "packages": _packages(request["packages"]),
        "units": _units(request["units"]),
        "pending": _pending(),
        "leftovers": _leftovers(),
        "guards": _guards(request["guards"]),
        "facts": _facts(),
    }


def _sha256() -> Any:
    try:
        from _sha2 import sha256  # type: ignore[import-not-found] # Python 3.12 and later
    except ImportError:
        from hashlib import sha256
    return sha256


def _path(path: str, request: dict[str, Any]) -> tuple[Any, ...] | None:
    """Return (kind, mode, owner, group, hash, text) of a path, or None when there is none."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    digest, text = "", None
    if kind == "file" and path in request["hashed"]:
        with open(path, "rb") as file:
            content = file.read()
        digest = _sha256()(content).hexdigest()
        if path in request["with_text"]:
            text = content[:_TEXT_LIMIT].decode("utf-8", "replace")
    mode = stat.S_IMODE(found.st_mode)
    return kind, mode, _owner(found.st_uid), _group(found.st_gid), digest, text


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


def _user(name: str) -> tuple[str, str, list[str]] | None:
    """Return (primary group, home, further groups) of a user, or None when there is none."""
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
    form = "${Package}\t${db:Status-Status}\t${Version}\n"
    done = run_command(["dpkg-query", "-W", "-f", form, *names], timeout_s=_TOOL_S)
    rows = (line.split("\t") for line in done["stdout"].splitlines())
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def _units(names: list[str]) -> dict[str, list[str]]:
    """Return the values of _UNIT_PROPERTIES for each unit."""
    if not names:
        return {}
    options = [f"--property={name}" for name in _UNIT_PROPERTIES]
    done = run_command(["systemctl", "show", *options, "--", *names], timeout_s=_TOOL_S)
    blocks = done["stdout"].strip("\n").split("\n\n")
    if done["code"] != 0 or len(blocks) != len(names):
        from installer.engine.node.script import Failure, last_lines

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


def _facts() -> dict[str, Any]:
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
    }


def _assignments(path: str) -> dict[str, str]:
    with open(path) as file:
        pairs = (line.rstrip("\n").partition("=") for line in file)
        return {name: value.strip('"') for name, _, value in pairs}


def _memory_bytes() -> int:
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1]) * 1024
