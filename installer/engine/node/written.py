"""The record of what our runs left on a node: files, units, packages, and what a person decided.

With it the next run tells its own work from a person's. One line for each thing: kind, state, name.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat

from installer.engine.node.base import HOME

WRITTEN = HOME + "/written"

# of this request: each look-up reads a whole file
_owners: dict[int, str] = {}
_groups: dict[int, str] = {}


def written() -> dict[str, dict[str, str]]:
    """Return the record: kind (file, unit, package, kept), name, state."""
    found: dict[str, dict[str, str]] = {}
    try:
        with open(WRITTEN, encoding="utf-8") as file:
            for line in file:
                kind, state, name = line.rstrip("\n").split("\t")
                found.setdefault(kind, {})[name] = state
    except FileNotFoundError:
        pass
    return found


def state_of(path: str) -> str:
    """Return digest, mode, owner and group of a file as the record has them."""
    found = os.lstat(path)
    with open(path, "rb") as file:
        content = digest(file.read())
    owner, group = _owner(found.st_uid), _group(found.st_gid)
    return f"{content} {stat.S_IMODE(found.st_mode):04o} {owner} {group}"


def _owner(number: int) -> str:
    if number not in _owners:
        _owners[number] = pwd.getpwuid(number).pw_name
    return _owners[number]


def _group(number: int) -> str:
    if number not in _groups:
        _groups[number] = grp.getgrgid(number).gr_name
    return _groups[number]


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content as the record has it."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found] # Python 3.12 and later
    except ImportError:
        from hashlib import sha256
    return str(sha256(content).hexdigest())
