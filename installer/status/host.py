"""What is wrong with the nodes themselves: units, disks, clocks, certificates, changed files."""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from installer.inventory import Role
from installer.status.facts import ClusterFacts, NodeFacts
from installer.status.model import Finding, State, Verdict

_FULL, _ALMOST = 0.95, 0.85  # of a file system
_MOST_OFFSET_S = 2.0  # Patroni, TLS and tokens bear that; etcd's own warning comes at 1 s
_SOON, _VERY_SOON = timedelta(days=30), timedelta(days=7)
_MOST_NAMES = 3
_AUTHORITIES = ("ca.crt", "-ca.crt")


def host_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield everything that is wrong with the nodes themselves."""
    for name, problem in facts.silent.items():
        yield Finding(
            code=problem.code or "node-unreachable",
            where=name,
            what=problem.what,
            remedy=problem.remedy,
            verdict=Verdict.DEGRADED,
            # OpenSSH's words where nobody listens; who refuses or is late may well work
            state=State.DOWN if "connect to host" in problem.what else State.UNKNOWN,
        )
    yield from _unseen_findings(facts)
    for node in facts.nodes.values():
        if not node.is_installed:
            yield _nothing_installed(facts, node)
            continue
        yield from _unit_findings(node)
        yield from _disk_findings(node)
        yield from _clock_findings(node)
        yield from _certificate_findings(facts, node)
        yield from _drift_findings(facts, node)
    yield from _version_findings(facts)
    if facts.is_ca_changing:
        yield _changing_ca(facts)


def _unseen_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield what is not known at all: that a node is silent does not say that it does not work."""
    if not facts.nodes:
        yield Finding(
            code="no-node-answers",
            where="cluster",
            what="no node can be asked: either all are down or this machine does not reach them",
            remedy="try one by the command below; look at this machine's network and SSH key",
            verdict=Verdict.DOWN,
        )
        return
    for role in Role:
        if facts.having(role) and not facts.told(role):
            yield Finding(
                code="service-not-seen",
                where=str(role),
                service=str(role),
                what="none of its nodes can be asked: nothing is known of it",
                remedy="make one of its nodes reachable",
                verdict=Verdict.DEGRADED,
            )


def _nothing_installed(facts: ClusterFacts, node: NodeFacts) -> Finding:
    return Finding(
        code="nothing-installed",
        where=node.name,
        what="none of our runs has installed anything there",
        remedy=f"`cfy_manager cluster install -i {facts.inventory.path}`",
        verdict=Verdict.DEGRADED,
        state=State.DOWN,
    )


def _unit_findings(node: NodeFacts) -> Iterator[Finding]:
    for name, unit in node.units.items():
        if not unit.is_running:
            result = f" ({unit.result})" if unit.result != "success" else ""
            yield Finding(
                code="unit-not-running",
                where=node.name,
                service=_role_of_unit(name),
                what=f"{name} is {unit.active}{result}",
                remedy=f"`journalctl -u {name} -n 50` on {node.name}, "
                f"then `systemctl restart {name}`",
                verdict=Verdict.DEGRADED,
                state=State.DEGRADED,
            )


_UNITS = {
    "cloudify-backup": Role.DATABASE,
    "etcd": Role.DATABASE,
    "patroni": Role.DATABASE,
    "rabbitmq": Role.QUEUE,
    "haproxy": Role.LOADBALANCER,
    "keepalived": Role.LOADBALANCER,
    "nginx": Role.MANAGER,
    "cloudify-": Role.MANAGER,
}


def _role_of_unit(name: str) -> str:
    if name.startswith("cloudify-status-reporter"):
        return ""
    return next((str(role) for start, role in _UNITS.items() if name.startswith(start)), "")


def _disk_findings(node: NodeFacts) -> Iterator[Finding]:
    for place, disk in node.disks.items():
        if disk.used >= _ALMOST:
            yield Finding(
                code="disk-nearly-full",
                where=node.name,
                what=f"{place} is {disk.used:.0%} full",
                remedy=f"`du -xh --max-depth=2 {place} | sort -h | tail` on {node.name}: "
                "free space or give it a larger disk",
                verdict=Verdict.DEGRADED,
                state=State.DEGRADED if disk.used >= _FULL else State.OK,
            )


def _clock_findings(node: NodeFacts) -> Iterator[Finding]:
    if abs(node.clock_offset_s) > _MOST_OFFSET_S:
        side = "ahead of" if node.clock_offset_s > 0 else "behind"
        yield Finding(
            code="clock-offset",
            where=node.name,
            what=f"its clock is {abs(node.clock_offset_s):.0f} s {side} this machine's",
            remedy=f"`systemctl restart systemd-timesyncd` (or chrony) on {node.name}",
            verdict=Verdict.DEGRADED,
        )


def certificate_days(facts: ClusterFacts, node: NodeFacts) -> int | None:
    """Return for how many whole days the first of a node's certificates is still valid."""
    if not node.certificates:
        return None
    return math.floor((min(node.certificates.values()) - facts.now) / timedelta(days=1))


def _certificate_findings(facts: ClusterFacts, node: NodeFacts) -> Iterator[Finding]:
    ending = sorted(
        (until, path) for path, until in node.certificates.items() if until - facts.now < _SOON
    )
    if not ending:
        return
    until, _ = ending[0]
    left = until - facts.now
    is_over = left <= timedelta()
    when = f"{abs(left.days)} days ago" if is_over else f"in {left.days} days"
    authority = any(path.endswith(_AUTHORITIES) for _, path in ending)
    yield Finding(
        code="certificate-expired" if is_over else "certificate-ends-soon",
        where=node.name,
        what=f"{_some([path for _, path in ending])} {'ended' if is_over else 'ends'} {when}",
        remedy=f"`cfy_manager certificates list -i {facts.inventory.path}`; "
        + ("`certificates rollover`" if authority else "`certificates renew`"),
        verdict=Verdict.DEGRADED if left < _VERY_SOON else Verdict.HEALTHY,
        state=State.DEGRADED if is_over else State.OK,
    )


def _drift_findings(facts: ClusterFacts, node: NodeFacts) -> Iterator[Finding]:
    paths = [*node.changed, *(f"{path} (removed)" for path in node.removed)]
    if paths:
        yield Finding(
            code="files-changed-by-hand",
            where=node.name,
            what=f"{_some(paths)} {'is' if len(paths) == 1 else 'are'} not as our last run left it",
            remedy=f"`cfy_manager cluster drift -i {facts.inventory.path}` shows the difference",
            verdict=Verdict.HEALTHY,
        )


def _changing_ca(facts: ClusterFacts) -> Finding:
    path = facts.inventory.path
    return Finding(
        code="ca-rollover-unfinished",
        where="cluster",
        what="a change of the CA was begun and has not ended; two CAs are trusted meanwhile",
        remedy=f"`cfy_manager certificates rollover -i {path}` goes on, --status tells how far",
        verdict=Verdict.HEALTHY,
    )


def _version_findings(facts: ClusterFacts) -> Iterator[Finding]:
    versions = {node.name: node.own_version for node in facts.nodes.values() if node.own_version}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield Finding(
            code="versions-differ",
            where="cluster",
            what=f"the nodes have different versions of our software: {told}",
            remedy=f"`cfy_manager cluster install -i {facts.inventory.path}`",
            verdict=Verdict.HEALTHY,
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
