"""Apply one stage's data on a node: users, directories, files, what must go, units."""

from __future__ import annotations

from installer.engine.node.files import (
    make_directories,
    owe_restarts,
    remove,
    set_rights,
    write_files,
)

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(request: dict[str, Any]) -> None:
    """Make the changes of `installer.engine.apply.state_request`, in the order of NodeState."""
    owe_restarts(request["marks"])
    if request["users"]:
        from installer.engine.node.users import make_users

        make_users(request["users"])
    make_directories(request["directories"])
    write_files(request["files"])
    set_rights(request["rights"])
    remove(request["absent"])
    if request["units"]:
        from installer.engine.node.units import apply_units

        apply_units(request["units"])
