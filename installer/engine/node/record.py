"""The record of what our installations brought to a node: packages, users and groups.

Only what stands in it may be taken away again; what was there before us is not ours.
"""

from __future__ import annotations

import os

from installer.engine.node.base import HOME
from installer.engine.node.files import remove, write_files

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

KINDS = ("packages", "users", "groups")
_BEFORE = ".before"  # what was there before an installation that is under way


def recorded(kind: str) -> set[str]:
    """Return the names of a kind that our installations brought and nobody took away since."""
    return _read(f"{HOME}/{kind}")


def record(kind: str, names: set[str]) -> None:
    """Add names to the record, durably."""
    with only_one():
        if names - recorded(kind):
            _write(f"{HOME}/{kind}", recorded(kind) | names)


def forget(kind: str, names: set[str]) -> None:
    """Take names off the record."""
    with only_one():
        left = recorded(kind) - names
        if left:
            _write(f"{HOME}/{kind}", left)
        else:
            remove([f"{HOME}/{kind}"])


def records() -> list[str]:
    """Return where names are recorded, or those that were there before a run that was killed."""
    return [f"{HOME}/{kind}{end}" for kind in KINDS for end in ("", _BEFORE)]


def only_one(name: str = "record.lock") -> Any:
    """Hold off a second program that does the same: roles of a node run side by side."""
    import fcntl

    os.makedirs(HOME, mode=0o700, exist_ok=True)
    lock = open(f"{HOME}/{name}", "w")  # noqa: SIM115 - the caller's `with` closes it
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def recording(act: Any) -> None:
    """Record what `act` brings, also when it fails half-way.

    After a kill the next call compares with what was there before the killed one.
    """
    for kind in KINDS:
        if not os.path.exists(f"{HOME}/{kind}{_BEFORE}"):
            _write(f"{HOME}/{kind}{_BEFORE}", _present(kind))
    try:
        act()
    finally:
        for kind in KINDS:
            record(kind, _present(kind) - _read(f"{HOME}/{kind}{_BEFORE}"))
            remove([f"{HOME}/{kind}{_BEFORE}"])


def _present(kind: str) -> set[str]:
    import grp
    import pwd

    from installer.engine.node.dpkg import present_packages

    if kind == "packages":
        return set(present_packages())
    if kind == "users":
        return {user.pw_name for user in pwd.getpwall()}
    return {group.gr_name for group in grp.getgrall()}


def _read(path: str) -> set[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()


def _write(path: str, names: set[str]) -> None:
    text = "".join(f"{name}\n" for name in sorted(names))
    entry = {"path": path, "owner": "root", "group": None, "mode": 0o600}
    os.makedirs(HOME, mode=0o700, exist_ok=True)
    write_files([entry | {"content": text.encode()}])
