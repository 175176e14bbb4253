"""May hosts of a running cluster stop now? What is there, held to the rules of quorum."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.departure import unfinished
from installer.errors import ConfigError, Problem
from installer.expand.check import load_cluster
from installer.foresight.outlook import layout_now
from installer.foresight.restart_order import Order, may_be_next, restart_order
from installer.foresight.stopping import Verdict, may_stop
from installer.inventory import Inventory, runs_folder
from installer.status.presence import Presence
from installer.status.seen import look_around


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A verdict on some hosts, who may stop instead or next, and the order of them all."""

    verdict: Verdict
    next_nodes: tuple[str, ...]
    order: Order
    presence: Presence


def ask_may_stop(path: Path, names: Sequence[str]) -> Answer:
    """Return whether these nodes may stop now, all together."""
    inventory = load_cluster(path)
    begun = unfinished(runs_folder(inventory))
    if begun is not None and not begun.has_left:  # they are members still
        inventory = begun.cluster_before(inventory)
    demand_nodes(inventory, names)
    layout, presence = layout_now(inventory), look_around(inventory)
    return Answer(
        verdict=may_stop(layout, presence, frozenset(names)),
        next_nodes=may_be_next(layout, presence),
        order=restart_order(layout, presence),
        presence=presence,
    )


def demand_nodes(inventory: Inventory, names: Sequence[str]) -> None:
    """Raise ConfigError with every name that is no node of the cluster."""
    known = [node.name for node in inventory.nodes]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            *(
                Problem(
                    where=name,
                    what="no node has this name",
                    remedy=f"name one or more of: {', '.join(known)}",
                )
                for name in unknown
            )
        )
