"""What is to be tried: which ports each node opens for it, and whom each node connects to."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from installer.config.model import NodeInputs
from installer.inventory import Inventory
from installer.links import Link, Listener, Transport, links, listeners
from installer.links.files import file_in, pair_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A port that a node opens, and the certificate that it shows there."""

    listener: Listener
    pair: bytes | None = field(repr=False)
    trust: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A connection to try: links of one source that differ in nothing that is seen on the wire."""

    link: Link  # the first of them
    pair: bytes | None = field(repr=False)  # the certificate and key that the client shows
    trust: bytes | None = None


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """Everything to try among these nodes, and from them to external services."""

    nodes: tuple[str, ...]
    openings: Mapping[str, tuple[Opening, ...]]
    probes: Mapping[str, tuple[Probe, ...]]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to try: a host alone."""
        return not any(self.probes.values())


def network_plan(
    inventory: Inventory,
    inputs: Mapping[str, NodeInputs],
    away: Collection[str] = (),
) -> NetworkPlan:
    """Return what to try between all nodes but those that are `away`."""
    nodes = tuple(node.name for node in inventory.nodes if node.name not in away)
    wanted = [link for link in links(inventory) if _is_tried(link, nodes)]
    reached = {(link.target, link.port) for link in wanted}
    held = [entry for entry in listeners(inventory) if (entry.node, entry.port) in reached]
    return NetworkPlan(
        nodes=nodes,
        openings={
            name: _unique([_opening(inputs[name], entry) for entry in held if entry.node == name])
            for name in nodes
        },
        probes={
            name: _probes(inputs[name], [link for link in wanted if link.source == name])
            for name in nodes
        },
    )


def _is_tried(link: Link, nodes: Collection[str]) -> bool:
    if link.transport is not Transport.TCP or link.source not in nodes:
        return False
    return link.is_external or (link.is_between_nodes and link.target in nodes)


def _opening(inputs: NodeInputs, listener: Listener) -> Opening:
    return Opening(
        listener=listener,
        pair=pair_in(inputs, listener.certificate),
        trust=file_in(inputs, listener.trust),
    )


def _unique(openings: list[Opening]) -> tuple[Opening, ...]:
    """Return one opening for each port: roles that share a host share no port."""
    return tuple({opening.listener.port: opening for opening in openings}.values())


def _probes(inputs: NodeInputs, wanted: list[Link]) -> tuple[Probe, ...]:
    found: dict[tuple[object, ...], Probe] = {}
    for link in wanted:
        tls = link.tls
        pair = pair_in(inputs, tls.client) if tls else None
        trust = file_in(inputs, tls.trust) if tls else None
        name = tls.server_name if tls else None
        key = (link.address, link.port, name, pair, trust)
        found.setdefault(key, Probe(link=link, pair=pair, trust=trust))
    return tuple(found.values())
