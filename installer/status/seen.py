"""What is there of a cluster, read from what its nodes told: for the rules of who may stop."""

from collections.abc import Iterable, Mapping
from typing import Any

from installer.inventory import Inventory, Role
from installer.status.collect import Watcher
from installer.status.database import cluster_view, leader_name, part_of
from installer.status.entry import holders
from installer.status.facts import Answer, ClusterFacts
from installer.status.manager import sync_fault, working
from installer.status.presence import DatabaseMember, Presence, QuorumQueue
from installer.status.queue import broker_view, running
from installer.status.request import ETCD, EXECUTIONS, HAPROXY, QUORUM, has_file_sync

_FOLLOWING = ("running", "streaming")
_LOOK_S = 30.0  # who is late counts as gone, and then something must not stop that may


def look_around(inventory: Inventory) -> Presence:
    """Ask all nodes once, and return what is there of the cluster."""
    with Watcher(inventory, timeout_s=_LOOK_S, with_work=True) as watcher:
        return presence_of(watcher.facts())


def presence_of(facts: ClusterFacts) -> Presence:
    """Return what is there; a node that told nothing has nothing."""
    view = cluster_view(facts)
    etcd = {
        node.name: node.name in facts.nodes and has_etcd(facts.nodes[node.name].answer(ETCD))
        for node in facts.having(Role.DATABASE)
    }
    return Presence(
        databases=read_databases(etcd, view),
        is_paused=bool(view.get("pause")),
        brokers=_brokers(facts),
        queues=next(filter(None, map(_queues, facts.told(Role.QUEUE))), ()),
        managers=_each(facts, Role.MANAGER, working(facts)),
        in_step=_in_step(facts),
        executions=_executions(facts),
        balancers=_each(facts, Role.LOADBALANCER, _balancers(facts)),
        holder=next(iter(holders(facts)), None),
    )


def _each(facts: ClusterFacts, role: Role, there: Iterable[str]) -> dict[str, bool]:
    names = set(there)
    return {node.name: node.name in names for node in facts.having(role)}


def read_databases(etcd: Mapping[str, bool], view: Mapping[str, Any]) -> dict[str, DatabaseMember]:
    """Return the members by name: whether etcd is well there, and what Patroni's view says."""
    members = {member["name"]: member for member in view.get("members", ())}

    def member(name: str) -> DatabaseMember:
        found = members.get(name, {})
        lag = found.get("lag")
        return DatabaseMember(
            etcd=etcd[name],
            part=part_of(found),
            follows=found.get("state") in _FOLLOWING,
            lag_bytes=lag if isinstance(lag, int) else None,
        )

    return {name: member(name) for name in etcd}


def has_etcd(answer: Answer) -> bool:
    """Tell whether a member of etcd sees a quorum."""
    said = answer.value() if not answer.fault else None
    return isinstance(said, dict) and said.get("health") == "true"


def read_brokers(nodes: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Return which brokers run, in one broker's view; one that is parted from another is gone."""
    return {
        _host(node["name"]): bool(node.get("running")) and not node.get("partitions")
        for node in nodes
    }


def _brokers(facts: ClusterFacts) -> dict[str, bool]:
    """Return which brokers run; one that is parted from another counts as gone."""
    view = broker_view(facts)
    whole = (name for name in running(facts) if not view[name].get("partitions"))
    return _each(facts, Role.QUEUE, whole)


def _queues(node: Any) -> tuple[QuorumQueue, ...]:
    answer = node.answer(QUORUM)
    value = answer.value() if answer.is_good else None
    return read_queues(value) if isinstance(value, list) else ()


def read_queues(queues: Iterable[Mapping[str, Any]]) -> tuple[QuorumQueue, ...]:
    """Return the replicated queues, streams among them."""
    return tuple(
        QuorumQueue(
            name=queue["name"],
            members=frozenset(map(_host, queue["members"])),
            online=frozenset(map(_host, queue.get("online") or ())),
        )
        for queue in queues
        if queue.get("members")
    )


def _host(broker: str) -> str:
    return broker.removeprefix("rabbit@")


def _in_step(facts: ClusterFacts) -> dict[str, bool]:
    """Return which managers have the files of all others; nothing where none are replicated."""
    if not has_file_sync(facts.inventory.settings) or len(facts.having(Role.MANAGER)) == 1:
        return {}
    return {node.name: not sync_fault(facts, node) for node in facts.told(Role.MANAGER)}


def _executions(facts: ClusterFacts) -> dict[str, int]:
    """Return how many executions each manager runs, as the primary tells."""
    node = facts.nodes.get(leader_name(facts) or "")
    answer = node.answer(EXECUTIONS) if node else None
    value = answer.value() if answer and answer.is_good else None
    return dict(value) if isinstance(value, dict) else {}


def _balancers(facts: ClusterFacts) -> list[str]:
    return [n.name for n in facts.told(Role.LOADBALANCER) if n.answer(HAPROXY).is_good]
