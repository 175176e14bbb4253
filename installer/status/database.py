"""What is wrong with the databases: Patroni, etcd, and commits that hang."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from installer.foresight.survival import majority
from installer.inventory import Role
from installer.status.facts import ClusterFacts, NodeFacts
from installer.status.model import Finding, Part, State, Verdict
from installer.status.request import ETCD, PATRONI, REST, SQL
from installer.status.words import bytes_words, seconds_words

_MOST_LAG_BYTES = 64 * 1024 * 1024  # four WAL files behind: more than a busy second
_RUNNING = ("running", "streaming")  # Patroni 3 says running of replicas too
_PARTS = {
    "leader": Part.LEADER,
    "master": Part.LEADER,  # Patroni before 4
    "standby_leader": Part.LEADER,
    "sync_standby": Part.SYNCHRONOUS,
    "quorum_standby": Part.SYNCHRONOUS,
    "replica": Part.REPLICA,
}
_SERVICE = str(Role.DATABASE)
_member = functools.partial(Finding, service=_SERVICE, verdict=Verdict.DEGRADED)


def members(facts: ClusterFacts) -> dict[str, Mapping[str, Any]]:
    """Return the members as Patroni knows them, by their names; nothing where none tells."""
    return {str(member["name"]): member for member in cluster_view(facts).get("members", ())}


def cluster_view(facts: ClusterFacts) -> Mapping[str, Any]:
    """Return what the first Patroni that answers says of its cluster."""
    for node in facts.told(Role.DATABASE):
        answer = node.answer(PATRONI)
        if answer.is_good and isinstance(view := answer.value(), dict):
            return view
    return {}


def part_of(member: Mapping[str, Any]) -> Part:
    """Return what a member is to its cluster."""
    return _PARTS.get(member.get("role", ""), Part.NONE)


def leader_name(facts: ClusterFacts) -> str | None:
    """Return the name of the primary."""
    leaders = (name for name, member in members(facts).items() if part_of(member) is Part.LEADER)
    return next(leaders, None)


def primary_view(facts: ClusterFacts) -> Mapping[str, Any]:
    """Return what PostgreSQL on the primary says of commits and replicas; nothing if it is mute."""
    node = facts.nodes.get(leader_name(facts) or "")
    view = node.answer(SQL).value() if node and node.answer(SQL).is_good else None
    return view if isinstance(view, dict) else {}


def lag_bytes(facts: ClusterFacts, name: str) -> int | None:
    """Return how far a replica's replay is behind: as the primary sees it, else as Patroni did."""
    for replica in primary_view(facts).get("replicas", ()):
        if replica["name"] == name and replica["lag"] is not None:
            return max(0, int(replica["lag"]))
    lag = members(facts).get(name, {}).get("lag")
    return int(lag) if isinstance(lag, int) else None


def database_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield everything that is wrong with the databases."""
    if not facts.told(Role.DATABASE):  # there is none, or nothing is known of it
        return
    yield from _etcd_findings(facts)
    yield from _leader_findings(facts)
    for node in facts.told(Role.DATABASE):
        yield from _member_findings(facts, node)
    yield from _commit_findings(facts)


def _leader_findings(facts: ClusterFacts) -> Iterator[Finding]:
    view, leader = cluster_view(facts), leader_name(facts)
    if not _is_led(facts):
        what = f"{leader} leads and does not run" if leader else "no node leads"
        yield Finding(
            code="database-without-primary",
            where=_SERVICE,
            service=_SERVICE,
            what=f"{what}: nothing can be written",
            remedy="a replica takes over within `ttl` seconds while etcd has quorum; "
            "else look at `journalctl -u patroni -n 50` on the database nodes",
            verdict=Verdict.DOWN,
        )
    if view.get("pause"):
        yield Finding(
            code="patroni-paused",
            where=_SERVICE,
            service=_SERVICE,
            what="Patroni is paused: no replica takes over when the primary fails",
            remedy="`patronictl -c /etc/patroni/config.yml resume` on a database node",
            verdict=Verdict.DEGRADED,
        )


def _is_led(facts: ClusterFacts) -> bool:
    """Tell whether there is a primary; of one that cannot be asked the managers know."""
    leader = leader_name(facts)
    if leader is None or members(facts)[leader].get("state") not in _RUNNING:
        return False
    managers = facts.told(Role.MANAGER)
    return leader in facts.nodes or any(node.answer(REST).is_good for node in managers)


def _member_findings(facts: ClusterFacts, node: NodeFacts) -> Iterator[Finding]:
    answer = node.answer(PATRONI)
    if not answer.is_good:
        yield _member(
            where=node.name,
            code="patroni-silent",
            what=f"Patroni does not tell how it is: {answer.words}",
            remedy=f"`journalctl -u patroni -n 50` on {node.name}",
            state=State.DOWN,
        )
        return
    member = members(facts).get(node.name)
    state = member.get("state") if member else "unknown to the others"
    if state not in _RUNNING:
        yield _member(
            where=node.name,
            code="database-member-not-running",
            what=f"PostgreSQL is {state}, says Patroni",
            remedy=f"`patronictl -c /etc/patroni/config.yml list` and "
            f"`journalctl -u patroni -n 50` on {node.name}",
            state=State.DOWN,
        )
    elif node.answer(SQL).fault:
        yield _member(
            where=node.name,
            code="database-refuses",
            what=f"PostgreSQL does not answer its administrator: {node.answer(SQL).words}",
            remedy=f"`runuser -u postgres psql` on {node.name}",
            state=State.DEGRADED,
        )
    lag = lag_bytes(facts, node.name)
    if lag is not None and lag > _MOST_LAG_BYTES:
        yield _member(
            where=node.name,
            code="replica-lags",
            what=f"it is {bytes_words(lag)} behind the primary",
            remedy=f"look at load, disk and network of {node.name}",
            state=State.DEGRADED,
        )


def _commit_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield a finding when commits wait for a synchronous replica that is not there."""
    view = primary_view(facts)
    names = str(view.get("names", "")).strip()
    is_kept = any(r["sync"] in ("sync", "quorum") for r in view.get("replicas", ()))
    waiting, waiting_s = int(view.get("waiting", 0)), float(view.get("waiting_s", 0))
    if names and not is_kept:
        waits = f"{waiting} wait, the longest {seconds_words(waiting_s)}" if waiting else "none yet"
        yield Finding(
            code="commits-hang",
            where=_SERVICE,
            service=_SERVICE,
            what=f"commits wait for the synchronous replica {names}, and there is none: {waits}",
            remedy="start a replica again; with `synchronous_mode: on` Patroni goes on without one "
            "within seconds, with `strict` never",
            verdict=Verdict.DOWN,
        )
    elif view and not names and len(facts.having(Role.DATABASE)) > 1 and _is_synchronous(facts):
        yield Finding(
            code="no-synchronous-replica",
            where=_SERVICE,
            service=_SERVICE,
            what="no replica is synchronous: what is committed now is lost with the primary",
            remedy="start the replicas again; Patroni chooses one of them by itself",
            verdict=Verdict.DEGRADED,
        )


def _is_synchronous(facts: ClusterFacts) -> bool:
    settings: Any = facts.inventory.settings.get("postgresql_server") or {}
    cluster = settings.get("cluster") or {}
    return str(cluster.get("synchronous_mode", "on")) not in ("off", "False")


def _etcd_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield what is wrong with etcd; a member that is healthy sees a quorum."""
    told = {node.name: _health(node) for node in facts.told(Role.DATABASE)}
    if all(reason is not None and not _has_alarm(reason) for reason in told.values()):
        size = len(facts.having(Role.DATABASE))
        yield Finding(
            code="etcd-without-quorum",
            where="etcd",
            service=_SERVICE,
            what=f"no member sees a quorum, {majority(size)} of {size} are needed: "
            "no database can be made primary",
            remedy="start etcd on the other database nodes: `systemctl start etcd`",
            verdict=Verdict.DEGRADED,
        )
    for name, reason in told.items():
        if reason is not None:
            yield _etcd_finding(name, reason)


def _etcd_finding(name: str, reason: str) -> Finding:
    if _has_alarm(reason):
        return _member(
            where=name,
            code="etcd-space-alarm",
            what=f"etcd refuses writes until its alarm is cleared: {reason}",
            remedy="compact and defragment etcd, then `etcdctl alarm disarm`: "
            "`cfy_manager explain etcd-space-alarm` has the commands",
            state=State.DEGRADED,
        )
    return _member(
        where=name,
        code="etcd-member-unhealthy",
        what=f"etcd is not healthy: {reason}",
        remedy=f"`journalctl -u etcd -n 50` on {name}",
        state=State.DEGRADED,
    )


def _health(node: NodeFacts) -> str | None:
    """Return why a member of etcd is not healthy; it answers 503 with the reason."""
    answer = node.answer(ETCD)
    value = answer.value() if not answer.fault else None
    if not isinstance(value, dict):
        return answer.words
    if value.get("health") == "true":
        return None
    return str(value.get("reason") or "it sees no quorum")


def _has_alarm(reason: str | None) -> bool:
    return "ALARM" in (reason or "")


def database_summary(facts: ClusterFacts, findings: Sequence[Finding]) -> str:
    """Return one line on the databases."""
    nodes, known = facts.having(Role.DATABASE), members(facts)
    running = [name for name, member in known.items() if member.get("state") in _RUNNING]
    alive = [name for name in running if name not in facts.silent]
    kept = [name for name, member in known.items() if part_of(member) is Part.SYNCHRONOUS]
    healthy = [node for node in facts.told(Role.DATABASE) if _health(node) is None]
    parts = [
        f"{len(alive)} of {len(nodes)} run",
        f"primary {leader_name(facts) or 'none'}",
        *([f"synchronous {', '.join(kept)}"] if kept else []),
        f"etcd {len(healthy)} of {len(nodes)}",
        *(["paused"] if any(one.code == "patroni-paused" for one in findings) else []),
    ]
    return ", ".join(parts)
