"""The rules of quorum: what lives on of a cluster that loses some of its nodes at one moment.

Who leads is not known from an inventory. Where that decides, the outcome is DEPENDS; whoever knows
the leaders gives them, and the outcome is certain.
"""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from installer.inventory import Inventory, Role

MOST_QUEUE_REPLICAS = 3  # of a quorum queue; a unit test holds it to the role's own figure


class Outcome(StrEnum):
    """What becomes of a service, from the best to the worst."""

    WHOLE = "whole"  # it has lost nothing
    WORKS = "works"  # as before, with fewer nodes to spare
    DEPENDS = "depends"  # on which of its nodes lead, or hold which queue
    READ_ONLY = "read-only"
    DOWN = "down"

    @property
    def gravity(self) -> int:
        """Return how bad it is: 0 is the best."""
        return list(Outcome).index(self)

    @property
    def survives(self) -> bool:
        """Tell whether clients of the service go on for certain."""
        return self in (Outcome.WHOLE, Outcome.WORKS)


class Part(StrEnum):
    """What the cluster is made of, and what it is there for."""

    DATABASE = "database"
    QUEUE = "queue"
    MANAGER = "manager"
    ENTRY = "entry"  # the address that clients and agents use
    REST = "REST requests"
    EXECUTIONS = "executions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The nodes of each role; none where the service is external or left out."""

    databases: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    balancers: tuple[str, ...] = ()
    synchronous_mode: str = "on"  # on, strict, off

    @property
    def has_synchronous_replica(self) -> bool:
        """Tell whether a commit waits for a replica, so that only this one may be promoted."""
        return self.synchronous_mode != "off" and len(self.databases) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaders:
    """Who leads at the moment, as far as it is known."""

    primary: str | None = None
    synchronous: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one part, why, and who takes over."""

    part: Part
    outcome: Outcome
    reason: str
    successors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Share:
    """The nodes of one service: those that are lost, and those that live."""

    lost: tuple[str, ...]
    alive: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.lost) + len(self.alive)

    @property
    def has_majority(self) -> bool:
        return len(self.alive) >= majority(self.size)

    def __str__(self) -> str:
        return f"{len(self.alive)} of {self.size}"


def majority(members: int) -> int:
    """Return how many members decide. Source: etcd FAQ, "What is failure tolerance?"."""
    return members // 2 + 1


def layout_of(inventory: Inventory, synchronous_mode: str) -> Layout:
    """Return the nodes of each role of a cluster."""

    def names(role: Role) -> tuple[str, ...]:
        return tuple(node.name for node in inventory.with_role(role))

    return Layout(
        databases=names(Role.DATABASE),
        queues=names(Role.QUEUE),
        managers=names(Role.MANAGER),
        balancers=names(Role.LOADBALANCER),
        synchronous_mode=synchronous_mode,
    )


def fates(layout: Layout, lost: Set[str], leaders: Leaders | None = None) -> tuple[Fate, ...]:
    """Return what becomes of each part when these nodes are lost at one moment."""
    parts = [
        database_fate(layout, lost, leaders or Leaders()),
        queue_fate(layout, lost),
        manager_fate(layout, lost),
        entry_fate(layout, lost),
    ]
    by_part = {fate.part: fate for fate in parts}
    return (
        *parts,
        _together(Part.REST, [by_part[p] for p in (Part.ENTRY, Part.MANAGER, Part.DATABASE)]),
        _together(Part.EXECUTIONS, [by_part[p] for p in (Part.MANAGER, Part.DATABASE, Part.QUEUE)]),
    )


def worst(found: tuple[Fate, ...]) -> Outcome:
    """Return what is to be said of the cluster as a whole."""
    return max((fate.outcome for fate in found), key=lambda outcome: outcome.gravity)


def database_fate(layout: Layout, lost: Set[str], leaders: Leaders) -> Fate:
    """Return what becomes of writing to the database.

    Each of its nodes is a member of etcd too. Without etcd a primary goes on only while all members
    answer it (failsafe mode), which a lost one does not. Only a synchronous replica is promoted.
    Source: Patroni, "DCS Failsafe Mode" and "Replication modes".
    """
    share = _share(layout.databases, lost)
    outcome, reason = _database_outcome(layout, share, leaders)
    return Fate(part=Part.DATABASE, outcome=outcome, reason=reason, successors=share.alive)


def _database_outcome(layout: Layout, share: _Share, leaders: Leaders) -> tuple[Outcome, str]:
    if not share.size:
        return Outcome.WHOLE, "external: it survives by its own means"
    if not share.lost:
        return Outcome.WHOLE, f"{share} databases"
    if not share.alive:
        return Outcome.DOWN, "no database is left"
    if not share.has_majority:
        needed = majority(share.size)
        reason = f"etcd has {share} members and needs {needed}: the primary steps down"
        return Outcome.READ_ONLY, reason
    pair = _lost_pair(layout, share, leaders)
    if pair is not None:
        return pair
    return Outcome.WORKS, f"{share} databases, {_spare(share)}"


def _lost_pair(layout: Layout, share: _Share, leaders: Leaders) -> tuple[Outcome, str] | None:
    """Return what follows when the primary and its synchronous replica may go together."""
    if not layout.has_synchronous_replica or len(share.lost) < 2:
        return None
    primary, synchronous = leaders.primary, leaders.synchronous
    if primary in share.alive or synchronous in share.alive:
        return None
    if primary and synchronous:
        reason = f"{primary} leads and {synchronous} alone has all its commits: nobody is promoted"
        return Outcome.READ_ONLY, reason
    reason = (
        "none of the others has every commit if these are the primary and its synchronous replica:"
        " then nobody is promoted"
    )
    return Outcome.DEPENDS, reason


def queue_fate(layout: Layout, lost: Set[str]) -> Fate:
    """Return what becomes of the queues.

    The side without a majority of the brokers pauses; a quorum queue needs a majority of its own
    replicas, which are on some of the brokers.
    Source: RabbitMQ, "Clustering and Network Partitions" and "Quorum Queues".
    """
    share = _share(layout.queues, lost)
    outcome, reason = _queue_outcome(share)
    return Fate(part=Part.QUEUE, outcome=outcome, reason=reason, successors=share.alive)


def _queue_outcome(share: _Share) -> tuple[Outcome, str]:
    if not share.size:
        return Outcome.WHOLE, "external: it survives by its own means"
    if not share.lost:
        return Outcome.WHOLE, f"{share} brokers"
    if not share.has_majority:
        paused = f"{share} brokers are no majority: they pause until one returns"
        return Outcome.DOWN, paused if share.alive else "no broker is left"
    replicas = min(MOST_QUEUE_REPLICAS, share.size)
    if len(share.lost) > replicas - majority(replicas):
        few = majority(replicas)
        reason = f"a queue stands still that has {few} of its {replicas} replicas on these"
        return Outcome.DEPENDS, reason
    return Outcome.WORKS, f"{share} brokers, {_spare(share)}"


def manager_fate(layout: Layout, lost: Set[str]) -> Fate:
    """Return what becomes of the managers themselves: all are active, one is enough."""
    share = _share(layout.managers, lost)
    if not share.lost:
        return Fate(part=Part.MANAGER, outcome=Outcome.WHOLE, reason=f"{share} managers")
    if not share.alive:
        return Fate(part=Part.MANAGER, outcome=Outcome.DOWN, reason="no manager is left")
    reason = f"{share} managers serve, {_more(len(share.alive) - 1)}"
    return Fate(part=Part.MANAGER, outcome=Outcome.WORKS, reason=reason, successors=share.alive)


def entry_fate(layout: Layout, lost: Set[str]) -> Fate:
    """Return what becomes of the address that clients use.

    Without load balancers of ours clients address the managers themselves.
    """
    if not layout.balancers:
        direct = manager_fate(layout, lost)
        return Fate(
            part=Part.ENTRY,
            outcome=direct.outcome,
            reason="clients reach the managers themselves"
            if direct.outcome.survives
            else direct.reason,
            successors=direct.successors,
        )
    share = _share(layout.balancers, lost)
    if not share.lost:
        return Fate(part=Part.ENTRY, outcome=Outcome.WHOLE, reason=f"{share} load balancers")
    if not share.alive:
        reason = "no load balancer is left: only the managers' own addresses answer"
        return Fate(part=Part.ENTRY, outcome=Outcome.DOWN, reason=reason)
    reason = f"the virtual IP moves to {share.alive[0]}"
    return Fate(part=Part.ENTRY, outcome=Outcome.WORKS, reason=reason, successors=share.alive)


def _together(part: Part, needed: list[Fate]) -> Fate:
    """Return what becomes of work that needs all of these; reading alone serves no manager."""
    gravest = max(needed, key=lambda fate: fate.outcome.gravity)
    outcome = gravest.outcome
    if outcome is Outcome.READ_ONLY:
        outcome = Outcome.DOWN
    if outcome is Outcome.WHOLE:
        return Fate(part=part, outcome=outcome, reason="everything that they need is there")
    if outcome is Outcome.WORKS:
        names = [fate.part for fate in needed if fate.outcome is Outcome.WORKS]
        return Fate(part=part, outcome=outcome, reason=f"after a pause for {' and '.join(names)}")
    return Fate(part=part, outcome=outcome, reason=f"because of the {gravest.part}")


def _share(members: tuple[str, ...], lost: Set[str]) -> _Share:
    return _Share(
        lost=tuple(name for name in members if name in lost),
        alive=tuple(name for name in members if name not in lost),
    )


def _spare(share: _Share) -> str:
    return _more(len(share.alive) - majority(share.size))


def _more(count: int) -> str:
    if count == 0:
        return "no other may be lost"
    return f"{count} more may be lost"
