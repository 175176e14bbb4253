"""Bring system users of a node to their wanted state."""

from __future__ import annotations

import grp
import pwd

from installer.engine.node.record import record
from installer.engine.node.script import checked

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_TOOL_S = 60


def make_users(users: list[dict[str, Any]]) -> None:
    """Create missing system users and add present ones to their groups.

    A user that is there keeps its home: packages make some themselves, with their own.
    """
    for user in users:
        name = user["name"]
        if not _exists(pwd.getpwnam, name):
            _add_user(user)
        for group in user["groups"]:
            if name not in _members(group):
                _tool(["usermod", "--append", "--groups", group, name])


def _add_user(user: dict[str, Any]) -> None:
    name = user["name"]
    has_group = _exists(grp.getgrnam, name)
    own = ["--gid", name] if has_group else ["--user-group"]
    place = ["--home-dir", user["home"], "--no-create-home", "--shell", "/usr/sbin/nologin"]
    record("users", {name})  # first: a kill must not leave one that nobody takes away
    record("groups", set() if has_group else {name})
    _tool(["useradd", "--system", *own, *place, name])


def _members(group: str) -> list[str]:
    if not _exists(grp.getgrnam, group):
        record("groups", {group})
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
