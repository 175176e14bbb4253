"""Look at everything that decides whether a node can become what it must be; changes nothing."""

from __future__ import annotations

from installer.engine.node.facts_disk import flush_times, folders
from installer.engine.node.facts_network import answers, interfaces, listeners, names, rules
from installer.engine.node.facts_software import (
    enabled,
    filled,
    identities,
    locks,
    marks,
    masked,
    packages,
)
from installer.engine.node.facts_sources import first_bytes, offered
from installer.engine.node.facts_system import clock, locale, processes, system
from installer.engine.node.observe import node_facts

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` costs 70 ms on the node
    from typing import Any


def main(request: dict[str, Any]) -> dict[str, Any]:
    """Return what `installer.preflight.facts.read_facts` reads.

    What takes long is measured only where nothing of ours is installed yet.
    """
    running = processes()
    ours = marks(request["marks"])
    found = {
        "node": node_facts(),
        "system": system(),
        "locale": locale(),
        "time": clock(running),
        "folders": folders(request["folders"]),
        "interfaces": interfaces(),
        "listeners": listeners(request["ports"], running),
        "names": names(request["names"]),
        "firewall": rules(running),
        "packages": packages(request["packages"]),
        "marks": ours,
        "running": sorted({name for name, _ in running.values()} & set(request["processes"])),
        "masked": masked(request["units"]),
        "enabled": enabled(request["units"]),
        "filled": filled(request["data"]),
        "identities": identities(*request["identities"]),
        "locks": locks(running),
        "flush": {},
        "neighbour": "",
        "sources": {},
        "offered": [],
    }
    if not ours:
        found |= _slow(request)
    return found


def _slow(request: dict[str, Any]) -> dict[str, Any]:
    address = request["virtual_ip"]
    found = {
        "flush": flush_times(request["flushed"]),
        "neighbour": answers(address) if address else "",
    }
    if by_release := request["wanted_packages"]:
        found["offered"] = offered(by_release.get(node_facts()["codename"], []))
        found["sources"] = first_bytes()
    return found
