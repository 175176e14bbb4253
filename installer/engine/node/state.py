"""Apply one stage's data on a node: users, directories, files, what must go, units."""

from __future__ import annotations

from installer.engine.node.files import make_directories, owe_restarts, remove, set_rights
from installer.engine.node.writing import note, write_ours
from installer.engine.node.written import state_of

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(request: dict[str, Any]) -> list[tuple[str, str]]:
    """Make the changes of `installer.engine.requests.state_request`, in the order of NodeState.

    Return (path, copy) of each file that a person had changed.
    """
    owe_restarts(request["marks"])
    if request["users"]:
        from installer.engine.node.users import make_users

        make_users(request["users"])
    make_directories(request["directories"])
    copies = write_ours(request["files"])
    set_rights(request["rights"])
    remove(request["absent"])
    if request["units"]:
        from installer.engine.node.units import apply_units

        apply_units(request["units"])
    rights = {entry["path"]: state_of(entry["path"]) for entry in request["rights"]}
    note({**request["note"], "file": request["note"].get("file", {}) | rights})
    return copies
