"""In which order the hosts of a cluster may restart, one at a time, or why in none."""

from collections.abc import Mapping
from dataclasses import dataclass

from installer.foresight.stopping import Verdict, may_stop, missing, whole
from installer.foresight.survival import Layout
from installer.status.model import Part
from installer.status.presence import Presence


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """In which order all nodes may restart, one at a time; nodes for which there is none."""

    nodes: tuple[str, ...]
    impossible: tuple[Verdict, ...] = ()  # they may not even stop while everything is whole
    waits_for: tuple[str, ...] = ()  # what is down now and must be back first


def restart_order(layout: Layout, presence: Presence) -> Order:
    """Return an order in which every node may restart, each back before the next goes.

    Who is back is whole, so an order exists exactly when each node may stop while all others are
    there. Whatever is down now goes first; who holds the virtual IP goes after the other load
    balancers, so that the address moves once, and the primary last, after a switchover.
    """
    best = whole(layout, presence)
    names = tuple(
        dict.fromkeys((*layout.balancers, *layout.managers, *layout.queues, *layout.databases))
    )
    verdicts = {name: may_stop(layout, best, {name}) for name in names}
    down = frozenset().union(*missing(layout, presence).values())
    ranks: Mapping[str | None, int] = {
        presence.holder: 1,
        presence.database_with(Part.SYNCHRONOUS): 2,
        presence.database_with(Part.LEADER): 3,
    }
    possible = [name for name in names if verdicts[name].allows]
    return Order(
        nodes=tuple(sorted(possible, key=lambda n: (n not in down, ranks.get(n, 0)))),
        impossible=tuple(verdict for verdict in verdicts.values() if not verdict.allows),
        waits_for=tuple(name for name in names if name in down),
    )


def may_be_next(layout: Layout, presence: Presence) -> tuple[str, ...]:
    """Return the nodes that may stop now, each by itself, the least important first."""
    order = restart_order(layout, presence).nodes
    return tuple(name for name in order if may_stop(layout, presence, {name}).allows)
