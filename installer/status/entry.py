"""What is wrong with the way in: HAProxy's view of the managers, and the virtual IP."""

from collections.abc import Iterator

from installer.inventory import Role
from installer.roles.loadbalancer.probe import servers
from installer.status.facts import ClusterFacts, NodeFacts
from installer.status.model import Finding, State, Verdict
from installer.status.request import HAPROXY

_SERVICE = str(Role.LOADBALANCER)


def managers_behind(node: NodeFacts) -> dict[str, bool]:
    """Return the managers that a load balancer knows, and whether each works on all its ports."""
    found: dict[str, bool] = {}
    for name, works, _ in servers(node.answer(HAPROXY).text):
        found[name] = found.get(name, True) and works
    return found


def entry_findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield everything that is wrong with the load balancers."""
    if not facts.told(Role.LOADBALANCER):  # there is none, or nothing is known of it
        return
    for node in facts.told(Role.LOADBALANCER):
        yield from _balancer_findings(facts, node)
    if not any(any(managers_behind(node).values()) for node in facts.told(Role.LOADBALANCER)):
        yield Finding(
            code="no-way-in",
            where=_SERVICE,
            service=_SERVICE,
            what="no load balancer has a manager that works: clients get no answer",
            remedy="see what is wrong with the managers, then with HAProxy",
            verdict=Verdict.DOWN,
        )
    if facts.inventory.load_balancer.virtual_ip:
        yield from _address_findings(facts)


def _balancer_findings(facts: ClusterFacts, node: NodeFacts) -> Iterator[Finding]:
    answer = node.answer(HAPROXY)
    if not answer.is_good:
        yield Finding(
            code="balancer-silent",
            where=node.name,
            service=_SERVICE,
            what=f"HAProxy does not tell how it is: {answer.words}",
            remedy=f"`journalctl -u haproxy -n 50` on {node.name}",
            verdict=Verdict.DEGRADED,
            state=State.DOWN,
        )
        return
    behind = managers_behind(node)
    for manager in facts.told(Role.MANAGER):
        if not behind.get(manager.name, False):
            yield Finding(
                code="manager-not-behind-balancer",
                where=node.name,
                service=_SERVICE,
                what=f"HAProxy sends nothing to {manager.name}: its checks fail there",
                remedy=f"`journalctl -u haproxy -n 50` on {node.name} says which check",
                verdict=Verdict.DEGRADED,
                state=State.DEGRADED,
            )


def holders(facts: ClusterFacts) -> list[str]:
    """Return the nodes that have the virtual IP."""
    return [node.name for node in facts.nodes.values() if node.holds_virtual_ip]


def _address_findings(facts: ClusterFacts) -> Iterator[Finding]:
    address, having = facts.inventory.load_balancer.virtual_ip, holders(facts)
    if not having:
        yield Finding(
            code="virtual-ip-on-nobody",
            where=_SERVICE,
            service=_SERVICE,
            what=f"no node has the virtual address {address}: clients do not reach the cluster",
            remedy="`systemctl restart haproxy keepalived` on a load balancer; "
            "`journalctl -u keepalived -n 50` says why it had none",
            verdict=Verdict.DOWN,
        )
    elif len(having) > 1:
        yield Finding(
            code="virtual-ip-on-two",
            where=_SERVICE,
            service=_SERVICE,
            what=f"{' and '.join(having)} have the virtual address {address} at the same time",
            remedy="the load balancers must reach each other by VRRP (IP protocol 112)",
            verdict=Verdict.DEGRADED,
        )


def entry_summary(facts: ClusterFacts) -> str:
    """Return one line on the load balancers."""
    count = len(facts.having(Role.MANAGER))
    parts = [
        f"{node.name} has {sum(managers_behind(node).values())} of {count} managers"
        for node in facts.told(Role.LOADBALANCER)
    ]
    if address := facts.inventory.load_balancer.virtual_ip:
        parts.append(f"{address} on {', '.join(holders(facts)) or 'nobody'}")
    return ", ".join(parts) or "none answers"
