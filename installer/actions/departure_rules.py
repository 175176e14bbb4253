"""When nodes may leave a cluster: enough stay, what is there allows it, the next one is there."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence

from installer.actions.departure import Departure
from installer.engine.engine import Engine
from installer.engine.target import target_of
from installer.errors import NodeUnreachable, Problem, Refused
from installer.foresight.outlook import layout_now
from installer.foresight.stopping import may_stop
from installer.inventory import Inventory, Node, Role
from installer.status.seen import look_around

_LEAST = {Role.DATABASE: 3, Role.QUEUE: 3, Role.MANAGER: 1, Role.LOADBALANCER: 1}
# where clients and the other members reach a service; see "Ports" in the architecture
_PORTS = {
    Role.DATABASE: (5432, 2379),
    Role.QUEUE: (5671, 25672),
    Role.MANAGER: (443,),
    Role.LOADBALANCER: (443,),
}
_CONNECT_S = 3


def last_ones(inventory: Inventory, departure: Departure) -> Iterator[Problem]:
    """Yield a problem for each role that would have too few nodes to go on as it is."""
    for role, least in _LEAST.items():
        leaving = [node.name for node in departure.nodes if role in node.roles]
        staying = len(inventory.with_role(role)) - len(leaving)
        wanted = 1 if departure.successors else least
        if leaving and staying < wanted:
            yield Problem(
                where=", ".join(leaving),
                what=f"{staying} {role} nodes would be left, {wanted} at least are needed",
                remedy=f"add nodes of the role `{role}` first",
                code="last-replica",
            )


def demand_successors(departure: Departure) -> None:
    """Raise NodeUnreachable for each new machine at an address of its own that is not there."""
    elsewhere = [
        dataclasses.replace(old, name=new.name, address=new.address)
        for old, new in zip(departure.nodes, departure.successors, strict=False)
        if new.address != old.address
    ]
    if not elsewhere:
        return
    with Engine([target_of(node) for node in elsewhere]) as engine:
        if lost := engine.connect():
            raise NodeUnreachable(*lost.values())


def demand_possible(inventory: Inventory, departure: Departure) -> None:
    """Raise Refused when the first node must not stop, or none of those that are replaced.

    Members that go for good leave fewer to be counted; those that are replaced are all missing
    until the last has come.
    """
    layout, presence = layout_now(inventory), look_around(inventory)
    leaving = departure.names if departure.successors else departure.names[:1]
    objections = may_stop(layout, presence, {*leaving}).objections
    problems = [
        Problem(
            where=", ".join(leaving),
            what=f"it must not leave now: {objection.part}: {objection.reason}",
            remedy=objection.remedy,
            code="must-not-stop",
        )
        for objection in objections
    ]
    if problems:
        raise Refused(*problems)


def demand_silence(departure: Departure, engine: Engine, reached: set[str]) -> None:
    """Raise Refused when a service answers the others on a node that SSH does not reach.

    What SSH tells is no help here: only its ports show that such a node lives.
    """
    asking = sorted(reached - {*departure.names})
    problems = [
        Problem(
            where=node.name,
            what="its services run, and it cannot be reached by SSH",
            remedy="make SSH work again, or switch the machine off",
            code="runs-unreachable",
        )
        for node in departure.nodes
        if node.name not in reached and _answers(node, engine, asking)
    ]
    if problems:
        raise Refused(*problems)


def _answers(node: Node, engine: Engine, asking: Sequence[str]) -> bool:
    """Tell whether one of these nodes can connect to a service of another one."""
    ports = [port for role in node.roles for port in _PORTS[role]]
    words = (f"/dev/tcp/{node.address}/{port}" for port in ports)
    tries = (f"timeout {_CONNECT_S} bash -c {shlex.quote(f': > {word}')}" for word in words)
    script = f"({' || '.join(tries)}) 2>/dev/null\n"
    limit_s = _CONNECT_S * (len(ports) + 1)
    ended = engine.on_each(asking, lambda session: session.run(script, timeout_s=limit_s).code)
    return any(outcome.value == 0 for outcome in ended.values())
