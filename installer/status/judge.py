"""Turn what the nodes told into one verdict with its reasons, and a line for each node."""

from collections.abc import Sequence

from installer.inventory import Node, Role
from installer.status import backup, database, entry, host, manager, queue
from installer.status.facts import ClusterFacts
from installer.status.model import (
    ClusterStatus,
    Finding,
    NodeStatus,
    Part,
    ServiceStatus,
    State,
    worst_state,
)


def judge(facts: ClusterFacts) -> ClusterStatus:
    """Return how a cluster is."""
    findings = (
        *host.host_findings(facts),
        *database.database_findings(facts),
        *backup.backup_findings(facts),
        *queue.queue_findings(facts),
        *manager.manager_findings(facts),
        *entry.entry_findings(facts),
    )
    return ClusterStatus(
        name=facts.inventory.name,
        nodes={node.name: _node(facts, node, findings) for node in facts.inventory.nodes},
        summary=_summary(facts, findings),
        findings=findings,
        seconds=facts.seconds,
    )


def _summary(facts: ClusterFacts, findings: Sequence[Finding]) -> dict[str, str]:
    lines = {
        Role.DATABASE: _databases(facts, findings),
        Role.QUEUE: queue.queue_summary(facts),
        Role.MANAGER: manager.manager_summary(facts),
        Role.LOADBALANCER: entry.entry_summary(facts),
    }
    return {
        str(role): line if facts.told(role) else "nothing is known"
        for role, line in lines.items()
        if facts.having(role)
    }


def _databases(facts: ClusterFacts, findings: Sequence[Finding]) -> str:
    parts = (database.database_summary(facts, findings), backup.backup_words(facts))
    return ", ".join(part for part in parts if part)


def _node(facts: ClusterFacts, node: Node, findings: Sequence[Finding]) -> NodeStatus:
    told = facts.nodes.get(node.name)
    mine = [finding for finding in findings if finding.where == node.name]
    services: dict[str, ServiceStatus] = {
        role: _service(facts, node, role, mine) for role in node.roles
    }
    if told is None:
        return NodeStatus(name=node.name, services=services)
    running = sum(unit.is_running for unit in told.units.values())
    return NodeStatus(
        name=node.name,
        services=services,
        units=(running, len(told.units)),
        certificate_days=host.certificate_days(facts, told),
        drifted=(*told.changed, *told.removed),
        version=told.own_version,
        packages=told.packages,
    )


def _service(
    facts: ClusterFacts, node: Node, role: Role, findings: Sequence[Finding]
) -> ServiceStatus:
    concerning = [one for one in findings if one.service in ("", str(role))]
    bad = [one for one in concerning if one.state is not State.OK]
    state = worst_state([State.OK, *(one.state for one in bad)])
    said = bad[0].what if bad else ""
    if node.name in facts.silent or role is not Role.DATABASE:
        return ServiceStatus(state=state, said=said)
    member = database.members(facts).get(node.name, {})
    part = database.part_of(member)
    lag = database.lag_bytes(facts, node.name) if part is not Part.LEADER else None
    return ServiceStatus(state=state, part=part, said=said, lag_bytes=lag)
