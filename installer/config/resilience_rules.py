"""Warnings of an inventory: what a cluster would not survive though it is built rightly."""

from collections import Counter
from collections.abc import Iterator

from installer.config.formats import is_ip
from installer.config.model import Document
from installer.config.source import Finding, KeyPath, RuleTable, value_at, warning

_WORDS = {
    "database": "database",
    "queue": "broker",
    "manager": "manager",
    "loadbalancer": "load balancer",
}
_QUORUM_ROLES = ("database", "queue")
_SYNCHRONOUS: KeyPath = ("postgresql_server", "cluster", "synchronous_mode")


def _names(document: Document, role: str) -> list[str]:
    return [node["name"] for node in document["nodes"] if role in node["roles"]]


def single_node_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when one machine is the whole cluster.

    Source: the cluster guide, "all-in-one" is for trials.
    """
    if len(document["nodes"]) == 1:
        what = "one machine is everything: what stops it stops all, and its disk is the only copy"
        remedy = "take three machines, see inventories/three-nodes.yaml"
        yield warning(("nodes",), what, remedy, "single-node")


def single_database_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when the databases are one.

    Source: the cluster guide, "database cluster": three nodes survive the loss of one.
    """
    yield from _single(document, "database", "single-database")


def single_queue_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when the brokers are one.

    Source: RabbitMQ, "Quorum Queues", "Replica Management": three replicas survive one loss.
    """
    yield from _single(document, "queue", "single-queue")


def single_manager_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when the managers are one.

    Source: the cluster guide, "two to ten managers".
    """
    yield from _single(document, "manager", "single-manager")


def single_load_balancer_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when several managers stand behind one load balancer.

    Source: keepalived, "Introduction": two balancers share an address by VRRP.
    """
    if len(_names(document, "manager")) > 1:
        yield from _single(document, "loadbalancer", "single-load-balancer")


def _single(document: Document, role: str, code: str) -> Iterator[Finding]:
    names = _names(document, role)
    if len(names) == 1 and len(document["nodes"]) > 1:
        what = f"{names[0]} is the only {_WORDS[role]}: what needs it stops with it"
        few = "two" if role in ("manager", "loadbalancer") else "three"
        yield warning(("nodes",), what, f"give the role `{role}` to {few} nodes", code)


def zone_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each zone whose loss takes a service with it.

    Databases and brokers need a majority, managers and load balancers one that is left.
    Source: etcd FAQ, "What is failure tolerance?"; RabbitMQ, "Clustering Guide", "Node Counts".
    """
    for role in _WORDS:
        zones = _zones(document, role)
        count = zones.total()
        if len({node["zone"] for node in document["nodes"]} - {""}) < 2 or count < 2:
            continue
        most, held = zones.most_common(1)[0]
        if role in _QUORUM_ROLES and most and held > count - (count // 2 + 1):
            what = f"zone {most} holds {held} of {count} {_WORDS[role]}s: without it no majority"
            remedy = f"spread the role `{role}` over three zones"
            yield warning(("nodes",), what, remedy, "zone-majority")
        elif role not in _QUORUM_ROLES and most and held == count:
            what = f"all {count} {_WORDS[role]}s are in zone {most}"
            remedy = f"give the role `{role}` to nodes of two zones"
            yield warning(("nodes",), what, remedy, "zone-holds-all")


def zone_missing_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each node without a zone in a cluster that has zones.

    Source: the rule on zones cannot count what is nowhere.
    """
    if any(node["zone"] for node in document["nodes"]):
        for index, node in enumerate(document["nodes"]):
            if not node["zone"]:
                what = f"{node['name']} has no zone, though other nodes have"
                yield warning(("nodes", index), what, "add `zone`", "zone-missing")


def _zones(document: Document, role: str) -> Counter[str]:
    return Counter(node["zone"] for node in document["nodes"] if role in node["roles"])


def colocation_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when brokers share machines with databases.

    Source: RabbitMQ, "Production Checklist", "Avoid colocation with other data services".
    """
    shared = [
        node["name"] for node in document["nodes"] if {"database", "queue"} <= {*node["roles"]}
    ]
    if shared and len(document["nodes"]) > 1:
        what = f"broker and database share memory and disk on {', '.join(shared)}"
        remedy = "give them nodes of their own where the load is high"
        yield warning(("nodes",), what, remedy, "queue-beside-database")


def synchronous_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning when a failover may lose commits, or a lost replica stops them.

    Source: Patroni, "Replication modes": strict mode keeps commits waiting without a replica.
    """
    mode = value_at(document["settings"], _SYNCHRONOUS)
    count = len(_names(document, "database"))
    path = ("settings", *_SYNCHRONOUS)
    if mode == "off" and count > 1:
        what = "a failover may lose the last commits, which were acknowledged already"
        yield warning(path, what, "write `on`, or remove the key", "asynchronous-replication")
    if mode == "strict" and count == 2:
        what = "with one replica in strict mode, every commit waits for ever once it is lost"
        yield warning(path, what, "add a third database node, or write `on`", "strict-one-replica")


def network_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each network that some managers and brokers are in, and some are not.

    Source: the cluster guide, "networks": agents of a network reach any manager and any broker.
    """
    concerned = {
        index: node
        for index, node in enumerate(document["nodes"])
        if {"manager", "queue"} & {*node["roles"]}
    }
    for network in dict.fromkeys(name for node in concerned.values() for name in node["networks"]):
        outside = [node["name"] for node in concerned.values() if network not in node["networks"]]
        if outside:
            what = f"network {network} does not reach {', '.join(outside)}: agents there lose them"
            remedy = f"give every manager and broker an address in {network}"
            yield warning(("nodes",), what, remedy, "network-uncovered")


def open_database_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each network without bounds that may connect to the database.

    Source: PostgreSQL, "The pg_hba.conf File": a record names who may connect at all.
    """
    path = ("settings", "postgresql_server", "allowed_clients")
    clients = value_at(document, path)
    for index, client in enumerate(clients if isinstance(clients, list) else ()):
        if str(client).endswith("/0"):
            what = f"{client} is everybody: only the password keeps them from the database"
            yield warning((*path, index), what, "name the networks that need it", "database-open")


def address_family_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when brokers have addresses of both families.

    Source: RabbitMQ, "Networking", "Using IPv6": the distribution speaks one of the two.
    """
    addresses = [node["address"] for node in document["nodes"] if "queue" in node["roles"]]
    families = {":" in address for address in addresses if is_ip(address)}
    if len(families) > 1:
        what = "some brokers have IPv4 addresses, others IPv6: they could not form a cluster"
        remedy = "give all brokers addresses of one family"
        yield Finding(("nodes",), what, remedy, "mixed-address-families")


def broker_name_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when some brokers have full names and others short ones.

    Source: Erlang, "Distributed Erlang", "Nodes": long and short names do not meet.
    """
    names = _names(document, "queue")
    short = [name for name in names if "." not in name]
    if short and len(short) < len(names):
        what = f"brokers with dots in their names do not meet those without: {', '.join(short)}"
        yield Finding(("nodes",), what, "give all brokers full names, or none", "broker-name-dots")


RESILIENCE_RULES: RuleTable = {
    single_node_findings: ("nodes",),
    single_database_findings: ("nodes",),
    single_queue_findings: ("nodes",),
    single_manager_findings: ("nodes",),
    single_load_balancer_findings: ("nodes",),
    zone_findings: ("nodes",),
    zone_missing_findings: ("nodes",),
    colocation_findings: ("nodes",),
    synchronous_findings: ("nodes", "settings"),
    network_findings: ("nodes",),
    open_database_findings: ("settings",),
    address_family_findings: ("nodes",),
    broker_name_findings: ("nodes",),
}
