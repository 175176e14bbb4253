"""Carry the bundle to the nodes that lack something of it."""

from collections.abc import Sequence

from installer.actions.cluster import Cluster
from installer.actions.rollout import TOOLKIT, TRANSFER, Survey
from installer.engine.difference import Difference
from installer.engine.target import target_of
from installer.engine.transfer import Shipment, send_to_each
from installer.expand.names import BUNDLE_FOLDER
from installer.phases import Phase, PhaseResult


def transfer_phases(cluster: Cluster, seen: Survey) -> tuple[Phase, ...]:
    """Return the phase that carries archives and wheels, if a node is to install any."""
    if cluster.bundle is None:
        return ()
    nodes = receiving_nodes(seen)
    if not nodes:
        return ()
    return (Phase(name=TRANSFER, nodes=nodes, work=lambda: send_bundle(TRANSFER, cluster, nodes)),)


def receiving_nodes(seen: Survey) -> tuple[str, ...]:
    """Return the nodes that are to install something of a bundle."""
    return tuple(node for node, change in seen.differences().items() if _installs(change))


def _installs(change: Difference) -> bool:
    toolkit = (stage for stage in change.stages if stage.stage.name.startswith(f"{TOOLKIT}/"))
    return any(stage.packages for stage in change.stages) or any(s.steps for s in toolkit)


def send_bundle(name: str, cluster: Cluster, nodes: Sequence[str]) -> PhaseResult:
    """Send the nodes what they lack of the cluster's bundle; what they have is not sent again."""
    assert cluster.bundle is not None  # noqa: S101 - there is no such phase without one
    wanted = {node.name: node for node in cluster.inventory.nodes if node.name in nodes}
    shipments = {
        target_of(node): Shipment(
            source=cluster.bundle.path,
            names=cluster.bundle.files_for([str(role) for role in node.roles]),
            destination=BUNDLE_FOLDER,
        )
        for node in wanted.values()
    }
    outcomes = send_to_each(shipments)
    problems = tuple(outcome.error for outcome in outcomes.values() if outcome.error)
    sent = {name: outcome.value for name, outcome in outcomes.items() if outcome.value}
    changes = tuple(
        f"{node}: receive {transfer.files} files, {transfer.bytes / 1e6:.0f} MB"
        for node, transfer in sent.items()
        if transfer.files
    )
    return PhaseResult.of(name, changes, problems)
