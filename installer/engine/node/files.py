"""Bring users, directories and files of a node to their wanted state."""

import grp
import os
import pwd
import stat
from typing import Any

from installer.engine.node.observe import PENDING
from installer.engine.node.script import Failure, checked

_TOOL_S = 60


def owe_restarts(marks: dict[str, str]) -> None:
    """Record which units owe a restart or reload, durably, before any file of theirs changes."""
    if marks:
        os.makedirs(PENDING, mode=0o700, exist_ok=True)
        write_files([_mark(unit, action) for unit, action in marks.items()])


def _mark(unit: str, action: str) -> dict[str, Any]:
    path = f"{PENDING}/{unit}"
    return {
        "path": path,
        "content": action.encode(),
        "owner": "root",
        "group": None,
        "mode": 0o600,
    }


def settle(unit: str) -> None:
    """Forget what a unit owed: it runs with its present files."""
    remove([f"{PENDING}/{unit}"])


def make_users(users: list[dict[str, Any]]) -> None:
    """Create missing system users and add present ones to their groups."""
    for user in users:
        name = user["name"]
        if not _exists(pwd.getpwnam, name):
            _add_user(user)
        elif user["home"] != pwd.getpwnam(name).pw_dir:
            _tool(["usermod", "--home", user["home"], name])
        for group in user["groups"]:
            if name not in _members(group):
                _tool(["usermod", "--append", "--groups", group, name])


def _add_user(user: dict[str, Any]) -> None:
    name = user["name"]
    own = ["--gid", name] if _exists(grp.getgrnam, name) else ["--user-group"]
    place = ["--home-dir", user["home"], "--no-create-home", "--shell", "/usr/sbin/nologin"]
    _tool(["useradd", "--system", *own, *place, name])


def _members(group: str) -> list[str]:
    if not _exists(grp.getgrnam, group):
        _tool(["groupadd", "--system", group])
    return list(grp.getgrnam(group).gr_mem)


def _exists(lookup: Any, name: str) -> bool:
    try:
        lookup(name)
    except KeyError:
        return False
    return True


def _tool(words: list[str]) -> None:
    checked(words, timeout_s=_TOOL_S, remedy="look at /etc/passwd and /etc/group on this host")


def make_directories(directories: list[dict[str, Any]]) -> None:
    """Create directories and set owner and mode."""
    for directory in directories:
        path = directory["path"]
        uid, gid = _ids(directory)
        _make_parents(path)
        if not os.path.lexists(path):
            os.mkdir(path, 0o700)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise Failure(path, "it is not a directory", "move it away and run again")
        os.chown(path, uid, gid)
        os.chmod(path, directory["mode"])


def write_files(files: list[dict[str, Any]]) -> None:
    """Replace files: each staged beside its target with final rights, all synced, then renamed.

    All are written before the first is synced: one journal commit of the file system then
    carries most of them.
    """
    staged: list[tuple[int, str, str]] = []
    try:
        for file in files:
            staged.append(_stage(file))
        for descriptor, _, _ in staged:
            os.fsync(descriptor)
        for _, temporary, path in staged:
            os.rename(temporary, path)
    except OSError as error:
        for _, temporary, _ in staged:
            remove([temporary])
        raise Failure(str(error.filename), str(error), "look at the file system there") from error
    finally:
        for descriptor, _, _ in staged:
            os.close(descriptor)
    for folder in {os.path.dirname(path) for _, _, path in staged}:
        _sync_directory(folder)


def _stage(file: dict[str, Any]) -> tuple[int, str, str]:
    """Write a file beside its target; its rights are final before the first byte is in."""
    path = file["path"]
    uid, gid = _ids(file)
    _make_parents(path)
    folder, name = os.path.split(path)
    temporary = f"{folder}/.{name}.cfy_manager"
    remove([temporary])  # of a run that was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, file["mode"])
    content = memoryview(file["content"])
    while content:
        content = content[os.write(descriptor, content) :]
    return descriptor, temporary, path


def set_rights(files: list[dict[str, Any]]) -> None:
    """Give owner and mode back to files whose content is right."""
    for file in files:
        uid, gid = _ids(file)
        os.chown(file["path"], uid, gid, follow_symlinks=False)
        os.chmod(file["path"], file["mode"])


def remove(paths: list[str]) -> None:
    """Delete files and directories, those that are there."""
    for path in paths:
        if os.path.isdir(path) and not os.path.islink(path):
            from shutil import rmtree

            rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def _ids(entry: dict[str, Any]) -> tuple[int, int]:
    try:
        owner = pwd.getpwnam(entry["owner"])
        group = entry["group"]
        return owner.pw_uid, owner.pw_gid if group is None else grp.getgrnam(group).gr_gid
    except KeyError as error:
        remedy = "declare the user in the same or an earlier stage, or the package that brings it"
        raise Failure(entry["path"], str(error.args[0]), remedy) from error


def _make_parents(path: str) -> None:
    parent = os.path.dirname(path)
    if not os.path.isdir(parent):
        _make_parents(parent)
        os.mkdir(parent, 0o755)
        os.chmod(parent, 0o755)  # noqa: S103 - whatever the umask says


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
