"""A topology as plain text, for a terminal."""

from collections.abc import Iterator, Mapping

from installer.foresight.topology import Topology
from installer.status.model import NodeStatus


def plain(topology: Topology, statuses: Mapping[str, NodeStatus] | None = None) -> str:
    """Return groups with their nodes, each followed by what it asks of others."""
    return "\n".join(_lines(topology, statuses or {})) + "\n"


def _lines(topology: Topology, statuses: Mapping[str, NodeStatus]) -> Iterator[str]:
    yield f"Cluster {topology.name}"
    for group in topology.groups:
        yield ""
        yield f"{group.title}  {group.subtitle}".rstrip()
        for spot in group.spots if group.roles else ():
            status = statuses.get(spot.name)
            told = f"{status.state} {status.said}".rstrip() if status else ""
            zone = f"zone {spot.zone}" if spot.zone else ""
            yield f"  {spot.name:<16} {spot.address:<16} {zone:<10} {told}".rstrip()
        if group.among:
            yield f"  <-> {', '.join(group.among)}"
        for arrow in topology.arrows:
            if arrow.source == group.key:
                target = topology.group(arrow.target).title
                yield f"  --> {target}: {', '.join(arrow.labels)}"
