"""Whether hosts may stop now: the rules of quorum held to what is there at the moment."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace

from installer.foresight.survival import (
    Fate,
    Layout,
    Leaders,
    Outcome,
    Part,
    database_fate,
    entry_fate,
    majority,
    manager_fate,
    queue_fate,
)
from installer.status.model import Part as Standing
from installer.status.presence import DatabaseMember, Presence, QuorumQueue

# the part that stops with each role
PARTS: Mapping[str, Part] = {
    "database": Part.DATABASE,
    "queue": Part.QUEUE,
    "manager": Part.MANAGER,
    "loadbalancer": Part.ENTRY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """Why hosts may not stop, for the sake of one part of the cluster."""

    part: Part
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether hosts may stop together, and what is to be known if they do."""

    nodes: tuple[str, ...]
    objections: tuple[Objection, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def allows(self) -> bool:
        """Tell whether nothing speaks against it."""
        return not self.objections


def may_stop(layout: Layout, presence: Presence, nodes: Set[str]) -> Verdict:
    """Return whether these hosts may stop now, all at one moment."""
    objections = (
        *_database_objections(layout, presence, nodes),
        *_queue_objections(layout, presence, nodes),
        *_manager_objections(layout, presence, nodes),
        *_entry_objections(layout, presence, nodes),
    )
    return Verdict(
        nodes=tuple(sorted(nodes)),
        objections=objections,
        notes=tuple(_notes(layout, presence, nodes)),
    )


def whole(layout: Layout, presence: Presence) -> Presence:
    """Return the same cluster with everything there: what it is at its best."""
    primary = presence.database_with(Standing.LEADER) or next(iter(layout.databases), None)
    others = [name for name in layout.databases if name != primary]
    synchronous = presence.database_with(Standing.SYNCHRONOUS)
    if synchronous not in others:
        synchronous = next(iter(others), None)
    return Presence(
        databases={
            name: DatabaseMember(etcd=True, follows=True, part=_part(name, primary, synchronous))
            for name in layout.databases
        },
        brokers=dict.fromkeys(layout.queues, True),
        queues=tuple(_whole_queue(queue, layout) for queue in presence.queues),
        managers=dict.fromkeys(layout.managers, True),
        balancers=dict.fromkeys(layout.balancers, True),
    )


def missing(layout: Layout, presence: Presence) -> dict[Part, frozenset[str]]:
    """Return the nodes of each part that are not there, or not whole."""
    serving = {name for name, member in presence.databases.items() if member.is_whole}
    return {
        Part.DATABASE: frozenset(set(layout.databases) - serving),
        Part.QUEUE: _absent(layout.queues, presence.brokers),
        Part.MANAGER: _absent(layout.managers, presence.managers),
        Part.ENTRY: _absent(layout.balancers, presence.balancers),
    }


def _database_objections(
    layout: Layout, presence: Presence, nodes: Set[str]
) -> Iterator[Objection]:
    if not nodes & set(layout.databases):
        return
    down = missing(layout, presence)[Part.DATABASE]
    primary = presence.database_with(Standing.LEADER)
    synchronous = presence.database_with(Standing.SYNCHRONOUS)
    leaders = Leaders(primary=primary, synchronous=synchronous)
    fate = database_fate(layout, down | nodes, leaders)
    if not fate.outcome.survives:
        yield _objection(_in_true_words(fate, layout, presence, nodes), down, nodes)
        return
    if primary is None:
        what = "no database leads at the moment"
        yield Objection(part=Part.DATABASE, reason=what, remedy="wait until one is elected")
    if primary not in nodes:
        return
    if presence.is_paused:
        yield Objection(
            part=Part.DATABASE,
            reason=f"{primary} leads and Patroni is paused: nobody would take over",
            remedy="resume it: `patronictl -c /etc/patroni/config.yml resume` on a database node",
        )
    if layout.has_synchronous_replica and (synchronous is None or synchronous in nodes):
        yield Objection(
            part=Part.DATABASE,
            reason=f"{primary} leads and no other replica is synchronous: nobody may take over",
            remedy="wait until a replica is synchronous, and look with "
            "`patronictl -c /etc/patroni/config.yml list`",
        )


def _in_true_words(fate: Fate, layout: Layout, presence: Presence, nodes: Set[str]) -> Fate:
    """Return the fate with a reason that holds where etcd goes on and replicas are missing."""
    size = len(layout.databases)
    etcd = [n for n, m in presence.databases.items() if m.etcd and n not in nodes]
    left = [n for n, m in presence.databases.items() if m.is_whole and n not in nodes]
    if len(etcd) < majority(size):
        return fate
    return replace(fate, reason=f"{len(left)} of {size} databases would be left that are whole")


def _queue_objections(layout: Layout, presence: Presence, nodes: Set[str]) -> Iterator[Objection]:
    if not nodes & set(layout.queues):
        return
    down = missing(layout, presence)[Part.QUEUE]
    fate = queue_fate(layout, down | nodes)
    # which queues have their replicas where is known here
    if not fate.outcome.survives and fate.outcome is not Outcome.DEPENDS:
        yield _objection(fate, down, nodes)
        return
    if critical := [queue for queue in presence.queues if _would_stand(queue, nodes)]:
        queue = critical[0]
        left = len(queue.online - nodes)
        more = f", and {len(critical) - 1} more queues" if len(critical) > 1 else ""
        yield Objection(
            part=Part.QUEUE,
            reason=f"queue {queue.name} would have {left} of {len(queue.members)} replicas{more}",
            remedy="wait until its replicas are online again: "
            "`rabbitmq-diagnostics check_if_node_is_quorum_critical` on a broker",
        )


def _manager_objections(layout: Layout, presence: Presence, nodes: Set[str]) -> Iterator[Objection]:
    down = missing(layout, presence)[Part.MANAGER]
    fate = manager_fate(layout, down | nodes)
    if not nodes & set(layout.managers):
        return
    if not fate.outcome.survives:
        yield _objection(fate, down, nodes)
        return
    left = [n for n, works in presence.managers.items() if works and n not in nodes]
    stops = [n for n, works in presence.managers.items() if works and n in nodes]
    if stops and presence.in_step and not any(presence.in_step.get(name) for name in left):
        yield Objection(
            part=Part.MANAGER,
            reason=f"no other manager has all files: those of {', '.join(stops)} may be nowhere "
            "else",
            remedy="wait until syncthing has brought them: `cfy_manager cluster status` tells who "
            "is behind, and why",
        )


def _entry_objections(layout: Layout, presence: Presence, nodes: Set[str]) -> Iterator[Objection]:
    down = missing(layout, presence)[Part.ENTRY]
    fate = entry_fate(layout, down | nodes)
    if nodes & set(layout.balancers) and not fate.outcome.survives:
        yield _objection(fate, down, nodes)


def _objection(fate: Fate, down: Set[str], nodes: Set[str]) -> Objection:
    others = sorted(down - nodes)
    if others:
        remedy = f"first bring back {', '.join(others)}: it is down or not whole"
    elif len(nodes) > 1:
        remedy = "stop them one after the other"
    else:
        remedy = "add another node of this role, or accept that the service pauses meanwhile"
    return Objection(part=fate.part, reason=fate.reason, remedy=remedy)


def _notes(layout: Layout, presence: Presence, nodes: Set[str]) -> Iterator[str]:
    primary = presence.database_with(Standing.LEADER)
    if primary in nodes:
        successor = presence.database_with(Standing.SYNCHRONOUS)
        yield f"{primary} leads the database: writes pause until {successor or 'another'} leads"
    if nodes & set(layout.managers):
        yield _execution_note(presence, nodes)
    if nodes & set(layout.balancers) and len(layout.balancers) > 1:
        yield from _address_notes(presence, nodes)


def _execution_note(presence: Presence, nodes: Set[str]) -> str:
    running = {name: n for name, n in presence.executions.items() if name in nodes}
    if not running:
        return "executions that run there are taken over by another manager"
    told = ", ".join(f"{number} on {name}" for name, number in running.items())
    return f"executions run there, {told}: another manager takes them over"


def _address_notes(presence: Presence, nodes: Set[str]) -> Iterator[str]:
    if presence.holder is None:
        yield "connections through it end if it holds the virtual IP"
    elif presence.holder in nodes:
        yield f"{presence.holder} holds the virtual IP: connections through it end"


def _would_stand(queue: QuorumQueue, nodes: Set[str]) -> bool:
    if not queue.online & nodes:
        return False
    return len(queue.online - nodes) < majority(len(queue.members))


def _absent(names: Iterable[str], there: Mapping[str, bool]) -> frozenset[str]:
    return frozenset(name for name in names if not there.get(name, False))


def _part(name: str, primary: str | None, synchronous: str | None) -> Standing:
    if name == primary:
        return Standing.LEADER
    return Standing.SYNCHRONOUS if name == synchronous else Standing.REPLICA


def _whole_queue(queue: QuorumQueue, layout: Layout) -> QuorumQueue:
    return replace(queue, online=queue.members & set(layout.queues))
