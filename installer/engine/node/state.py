"""Apply one stage's data on a node: users, directories, files, what must go, units."""

from typing import Any

from installer.engine.node.files import (
    make_directories,
    make_users,
    owe_restarts,
    remove,
    set_rights,
    write_files,
)


def main(request: dict[str, Any]) -> None:
    """Make the changes of `installer.engine.apply.state_request`, in the order of NodeState."""
    owe_restarts(request["marks"])
    make_users(request["users"])
    make_directories(request["directories"])
    write_files(request["files"])
    set_rights(request["rights"])
    remove(request["absent"])
    if request["units"]:
        from installer.engine.node.units import apply_units

        apply_units(request["units"])
