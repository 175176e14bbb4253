"""When nodes may leave a cluster: enough stay, what is there allows it, the next one is there."""

import dataclasses
from collections.abc import Iterator

from installer.actions.departure import Departure
from installer.actions.may_stop import layout_now
from installer.engine.engine import Engine
from installer.engine.target import target_of
from installer.errors import NodeUnreachable, Problem, Refused
from installer.foresight.stopping import may_stop
from installer.inventory import Inventory, Role
from installer.status.seen import look_around

_LEAST = {Role.DATABASE: 3, Role.QUEUE: 3, Role.MANAGER: 1, Role.LOADBALANCER: 1}


def last_ones(inventory: Inventory, departure: Departure) -> Iterator[Problem]:
    """Yield a problem for each role that would have too few nodes to go on as it is."""
    for role, least in _LEAST.items():
        leaving = [node.name for node in departure.nodes if role in node.roles]
        staying = len(inventory.with_role(role)) - len(leaving)
        wanted = 1 if departure.successor else least
        if leaving and staying < wanted:
            yield Problem(
                where=", ".join(leaving),
                what=f"{staying} {role} nodes would be left, {wanted} at least are needed",
                remedy=f"add nodes of the role `{role}` first",
                code="last-replica",
            )


def demand_successor(departure: Departure) -> None:
    """Raise NodeUnreachable when the new machine is at an address of its own and not there."""
    new, old = departure.successor, departure.nodes[0]
    if new is None or new.address == old.address:
        return
    node = dataclasses.replace(old, name=new.name, address=new.address)
    with Engine([target_of(node)]) as engine:
        if lost := engine.connect():
            raise NodeUnreachable(*lost.values())


def demand_possible(inventory: Inventory, departure: Departure, reached: set[str]) -> None:
    """Raise Refused when the first node must not stop, or one runs and cannot be told to."""
    layout, presence = layout_now(inventory), look_around(inventory)
    first = departure.names[0]
    objections = may_stop(layout, presence, {first}).objections
    problems = [
        Problem(
            where=first,
            what=f"it must not leave now: {objection.part}: {objection.reason}",
            remedy=objection.remedy,
            code="must-not-stop",
        )
        for objection in objections
    ]
    running = {
        *(name for name, member in presence.databases.items() if member.etcd or member.is_whole),
        *(name for name, runs in presence.brokers.items() if runs),
        *(name for name, works in presence.managers.items() if works),
    }
    problems += [
        Problem(
            where=name,
            what="its services run, and it cannot be reached by SSH",
            remedy="make SSH work again, or switch the machine off",
            code="runs-unreachable",
        )
        for name in departure.names
        if name in running - reached
    ]
    if problems:
        raise Refused(*problems)
