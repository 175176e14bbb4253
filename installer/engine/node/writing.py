"""Keep the record of what our runs left on a node, and copies of what they replace there."""

from __future__ import annotations

import os
import pwd

from installer.engine.node.base import HOME
from installer.engine.node.files import write_files
from installer.engine.node.written import WRITTEN, digest, state_of, written

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from collections.abc import Callable
    from typing import Any

REPLACED = HOME + "/replaced"  # what a person had put in the place of files of ours

_DIGITS = 12  # of a digest, in the name of a copy


def note(news: dict[str, dict[str, str]]) -> None:
    """Take states into the record, durably; a file that we wrote is no longer kept."""

    def take_in(record: dict[str, dict[str, str]]) -> None:
        for kind, states in news.items():
            record.setdefault(kind, {}).update(states)
        for path in news.get("file", ()):
            record.get("kept", {}).pop(path, None)

    if any(news.values()):
        _change(take_in)


def forget(names: Callable[[str, str], bool]) -> None:
    """Take off the record what `names(kind, name)` tells."""

    def leave_out(record: dict[str, dict[str, str]]) -> None:
        for kind, states in record.items():
            record[kind] = {name: s for name, s in states.items() if not names(kind, name)}

    if written():
        _change(leave_out)


def _change(change: Callable[[dict[str, dict[str, str]]], None]) -> None:
    """Change the record; roles of a node run side by side, so one after the other."""
    import fcntl

    os.makedirs(HOME, mode=0o700, exist_ok=True)
    with open(f"{HOME}/written.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = written()
        change(record)
        lines = [f"{k}\t{s}\t{n}\n" for k, states in record.items() for n, s in states.items()]
        write_files([_private(WRITTEN, "".join(lines).encode())])


def _private(path: str, content: bytes) -> dict[str, Any]:
    mine = pwd.getpwuid(os.geteuid()).pw_name
    return {"path": path, "content": content, "owner": mine, "group": None, "mode": 0o600}


def write_ours(files: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Replace files and record them; return (path, copy) of each that a person had changed.

    Whatever stands there and is not what we wrote is copied first, also what came before us.
    """
    if not files:
        return []
    ours = written().get("file", {})
    copies = [copy for file in files if (copy := _copy(file, ours.get(file["path"])))]
    if copies:
        os.makedirs(REPLACED, mode=0o700, exist_ok=True)
    write_files([*(_private(copy, content) for _, copy, content in copies), *files])
    note({"file": {file["path"]: state_of(file["path"]) for file in files}})
    return [(path, copy) for path, copy, _ in copies if path in ours]


def _copy(file: dict[str, Any], ours: str | None) -> tuple[str, str, bytes] | None:
    """Return path, copy and content of what is about to be replaced, if it is not ours."""
    path = file["path"]
    if os.path.islink(path):
        content = f"a symbolic link to {os.readlink(path)}\n".encode()
    elif os.path.isfile(path):
        with open(path, "rb") as found:
            content = found.read()
    else:
        return None
    found_digest = digest(content)
    if content == file["content"] or (ours is not None and ours.split()[0] == found_digest):
        return None
    return path, f"{REPLACED}{path}.{found_digest[:_DIGITS]}", content


def main(request: dict[str, Any]) -> None:
    """Record what the request tells: what a person decided."""
    note(request["note"])
