"""Make a small tree of files right in one go: compare here, write only what differs."""

from __future__ import annotations

from installer.engine.node.files import make_directories, set_rights, write_files
from installer.engine.node.observe import paths, users

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(request: dict[str, Any]) -> list[str]:
    """Return the paths that were not as wanted, and now are."""
    directories, files = request["directories"], request["files"]
    wanted = {file["path"]: file for file in files}
    seen = paths([*wanted, *(entry["path"] for entry in directories)], hashed=wanted)
    groups = users({entry["owner"] for entry in (*files, *directories)})
    astray = [entry for entry in directories if not _is_right(entry, "directory", seen, groups)]
    differing = [file for file in files if not _has_content(file, seen)]
    unowned = [
        file
        for file in files
        if file not in differing and not _is_right(file, "file", seen, groups)
    ]
    make_directories(astray)
    write_files(differing)
    set_rights(unowned)
    return [entry["path"] for entry in (*astray, *differing, *unowned)]


def _has_content(file: dict[str, Any], seen: dict[str, Any]) -> bool:
    fact = seen[file["path"]]
    return fact is not None and fact[0] == "file" and fact[4] == file["digest"]


def _is_right(entry: dict[str, Any], kind: str, seen: dict[str, Any], groups: Any) -> bool:
    fact, owner = seen[entry["path"]], groups[entry["owner"]]
    group = entry["group"] or (owner and owner[0])
    return fact is not None and fact[:4] == (kind, entry["mode"], entry["owner"], group)
