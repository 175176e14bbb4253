"""Replace packages by other versions of theirs while their services are stopped."""

from __future__ import annotations

from installer.engine.node.files import owe_restarts
from installer.engine.node.packages import install, only_one, remove_leftovers, with_nothing_started
from installer.engine.node.record import recording
from installer.engine.node.units import read_units_again, stop_units

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any

_DOWNGRADES = ("--allow-downgrades",)


def main(request: dict[str, Any]) -> None:
    """Stop the units of the request one after the other, then install its packages."""
    with only_one():
        remove_leftovers()
        owe_restarts(dict.fromkeys(request["stop"], "restart"))
        stop_units(request["stop"])
        if request["packages"]:
            options = _DOWNGRADES if request["may_downgrade"] else ()
            wanted = request["packages"], request["timeout_s"], options
            recording(lambda: with_nothing_started(lambda: install(*wanted)))
            read_units_again()
