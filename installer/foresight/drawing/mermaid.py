"""A topology as a Mermaid flowchart, for pages that draw it themselves."""

from collections.abc import Iterator, Mapping

from installer.foresight.topology import Group, Spot, Topology
from installer.status.model import NodeStatus

_FILLS = ("#dbeafe", "#fde8c8", "#d3f3e3", "#f5ddea", "#d8f0fc", "#fbdccb", "#e5e7eb", "#f0ecc0")


def mermaid(topology: Topology, statuses: Mapping[str, NodeStatus] | None = None) -> str:
    """Return the flowchart; with statuses each node tells its own."""
    return "\n".join(_lines(topology, statuses or {})) + "\n"


def _lines(topology: Topology, statuses: Mapping[str, NodeStatus]) -> Iterator[str]:
    ids = {group.key: f"g{number}" for number, group in enumerate(topology.groups)}
    yield "flowchart LR"
    for group in topology.groups:
        yield from _group(topology, group, ids[group.key], statuses)
    for arrow in topology.arrows:
        label = ", ".join(arrow.labels)
        yield f'  {ids[arrow.source]} -->|"{label}"| {ids[arrow.target]}'
    yield "  classDef note fill:none,stroke-dasharray:4"
    for number, _ in enumerate(topology.zones):
        fill = _FILLS[number % len(_FILLS)]
        yield f"  classDef zone{number} fill:{fill},stroke:#6e7781,color:#1f2328"


def _group(
    topology: Topology, group: Group, key: str, statuses: Mapping[str, NodeStatus]
) -> Iterator[str]:
    if not group.roles:
        yield f'  {key}(["{group.title}"])'
        return
    yield f'  subgraph {key}["{group.title}"]'
    yield "    direction TB"
    for number, spot in enumerate(group.spots):
        zone = f":::zone{topology.zones.index(spot.zone)}" if spot.zone else ""
        yield f'    {key}n{number}["{_words(spot, statuses.get(spot.name))}"]{zone}'
    for number in range(len(group.spots) - 1 if group.among else 0):
        yield f"    {key}n{number} <--> {key}n{number + 1}"
    if group.among:
        yield f'    {key}among["with each other<br/>{"<br/>".join(group.among)}"]:::note'
    yield "  end"


def _words(spot: Spot, status: NodeStatus | None) -> str:
    words = [f"<b>{spot.name}</b>"]
    if spot.address != spot.name:
        words.append(spot.address)
    if status is not None:
        words.append(status.said or status.state)
    elif spot.zone:
        words.append(f"zone {spot.zone}")
    return "<br/>".join(words)
