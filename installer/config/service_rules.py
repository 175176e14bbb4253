"""Rules for the services of a node, its database and its message queue."""

import re
from collections.abc import Iterator, Mapping

from installer.config.model import Document
from installer.config.source import Finding, KeyPath, RuleTable, value_at, warning

_COOKIE = re.compile(r"^[A-Za-z0-9_@-]{1,255}$")
_DATABASE_SECRETS: tuple[KeyPath, ...] = (
    ("postgres_password",),
    ("cluster", "etcd", "cluster_token"),
    ("cluster", "etcd", "root_password"),
    ("cluster", "etcd", "patroni_password"),
    ("cluster", "patroni", "rest_password"),
    ("cluster", "postgres", "replicator_password"),
)
_MOST_ETCD_MEMBERS = 7
_MARGIN_S = 5  # Patroni's watchdog.safety_margin


def has(document: Document, service: str) -> bool:
    """Return whether the node has the service: has(document, "queue")."""
    return f"{service}_service" in document["services_to_install"]


def service_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when the node has a service that the managers find elsewhere."""
    if has(document, "queue") and document["rabbitmq"]["is_external"]:
        yield Finding(
            ("rabbitmq", "is_external"),
            "the brokers are external, but this node has the queue service",
            "remove queue_service from services_to_install, or set is_external to false",
            "external-and-own",
        )


def quorum_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each cluster whose size wastes a member.

    Source: etcd FAQ, "Why an odd number of cluster members?" and "maximum cluster size";
    RabbitMQ Clustering Guide, "Node Counts and Quorum".
    """
    for path, service in (
        (("postgresql_server", "cluster", "nodes"), "database"),
        (("rabbitmq", "cluster_members"), "queue"),
    ):
        count = _size(document, path)
        if has(document, service) and count and count % 2 == 0:
            what = f"{count} {service} nodes survive no more failures than {count - 1} would"
            yield Finding(path, what, f"have {count - 1} or {count + 1} of them", "even-quorum")
        if has(document, service) and service == "database" and count > _MOST_ETCD_MEMBERS:
            what = f"etcd slows down with {count} members"
            remedy = f"have {_MOST_ETCD_MEMBERS} database nodes or fewer"
            yield Finding(path, what, remedy, "too-many-members")


def database_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a database cluster lacks."""
    server = document["postgresql_server"]
    nodes = server["cluster"]["nodes"]
    if not has(document, "database"):
        return
    if len(nodes) > 1:
        yield from _missing(server, _DATABASE_SECRETS, ("postgresql_server",))
        certificates = (("cert_path",), ("key_path",), ("ca_path",))
        yield from _missing(server, certificates, ("postgresql_server",))
    if nodes and not _is_listed(document, {name: node["ip"] for name, node in nodes.items()}):
        yield _not_listed(document, ("postgresql_server", "cluster", "nodes"))
    if server["cluster"]["synchronous_mode"] == "strict" and len(nodes) < 2:
        yield Finding(
            ("postgresql_server", "cluster", "synchronous_mode"),
            "strict synchronous mode without a replica stops every write",
            "write `on`, or list the other nodes in postgresql_server.cluster.nodes",
            "strict-without-replica",
        )


def failover_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when Patroni's times do not fit each other, or have no margin.

    Source: Patroni, "Dynamic Configuration Settings": loop_wait + 2 * retry_timeout ≤ ttl;
    "Watchdog support": a leader must be stopped 5 s before its key expires.
    """
    times = document["postgresql_server"]["cluster"]["patroni"]
    if not has(document, "database"):
        return
    path = ("postgresql_server", "cluster", "patroni", "ttl")
    needed, ttl = times["loop_wait"] + 2 * times["retry_timeout"], times["ttl"]
    sum_text = f"loop_wait + 2 * retry_timeout = {needed} s"
    if needed > ttl:
        what = f"{sum_text} is more than ttl = {ttl} s: a leader could lose its key while it works"
        yield Finding(path, what, f"write {needed + _MARGIN_S} or more", "patroni-timing")
    elif needed + _MARGIN_S > ttl:
        what = f"{sum_text} leaves {ttl - needed} s of ttl = {ttl} s to stop a leader that hangs"
        yield warning(path, what, f"write {needed + _MARGIN_S} or more", "patroni-timing-tight")


def remote_connection_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when remote connections are open and the superuser has no password."""
    server = document["postgresql_server"]
    if not has(document, "database") or has(document, "manager"):
        return
    if server["enable_remote_connections"] and not server["postgres_password"]:
        yield Finding(
            ("postgresql_server", "postgres_password"),
            "remote connections are enabled, but the superuser has no password",
            "add a password of 16 random letters and digits",
            "open-superuser",
        )
    if server["allowed_clients"] and not server["enable_remote_connections"]:
        yield Finding(
            ("postgresql_server", "allowed_clients"),
            "addresses are allowed, but remote connections are not enabled",
            "set enable_remote_connections to true, or remove the addresses",
            "closed-database-clients",
        )


def queue_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a broker lacks."""
    queue = document["rabbitmq"]
    members = queue["cluster_members"]
    if not has(document, "queue"):
        return
    if not has(document, "manager"):
        what = "managers on other nodes need to know the password"
        if not queue["password"]:
            remedy = "add it, and give it to the managers too"
            yield Finding(("rabbitmq", "password"), what, remedy, "cluster-key-missing")
    if len(members) > 1:
        wanted = (("erlang_cookie",), ("cert_path",), ("key_path",), ("ca_path",))
        yield from _missing(queue, wanted, ("rabbitmq",))
    if members and queue["nodename"] not in members:
        yield Finding(
            ("rabbitmq", "nodename"),
            f"{queue['nodename']!r} is not one of cluster_members: {', '.join(members)}",
            "write the name under which this node is listed",
            "node-not-listed",
        )
    if (first := queue["join_cluster"]) and first not in members:
        yield Finding(
            ("rabbitmq", "join_cluster"),
            f"{first!r} is not one of cluster_members",
            "write the name of another member, or remove the key",
            "join-of-no-member",
        )


def broker_name_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each broker name and cookie that Erlang cannot use.

    Source: Erlang, "Distributed Erlang", long and short node names; "cookies".
    """
    queue = document["rabbitmq"]
    cookie = queue["erlang_cookie"]
    if cookie and not _COOKIE.match(cookie):
        what = "the cookie has characters that Erlang or a shell reads otherwise"
        remedy = "use letters, digits and _ @ -"
        yield Finding(("rabbitmq", "erlang_cookie"), what, remedy, "erlang-cookie-characters")
    if not has(document, "queue"):
        return
    for name in queue["cluster_members"]:
        if "." in name and not queue["use_long_name"]:
            what = f"the short name of a broker has no dots: {name}"
            remedy = "write the name as `hostname -s` prints it, or set use_long_name to true"
            path = ("rabbitmq", "cluster_members", name)
            yield Finding(path, what, remedy, "broker-name-dots")


def policy_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each policy that RabbitMQ 4 refuses.

    Source: RabbitMQ 4.0 release notes, "Removal of classic queue mirroring".
    """
    for index, policy in enumerate(document["rabbitmq"]["policies"]):
        for key in policy["policy"]:
            if key.startswith("ha-"):
                yield Finding(
                    ("rabbitmq", "policies", index, "policy", key),
                    "mirrored queues are gone from RabbitMQ 4",
                    "remove it: queues are quorum queues, which keep copies by themselves",
                    "mirrored-queues",
                )


def _size(document: Document, path: KeyPath) -> int:
    members = value_at(document, path)
    return len(members) if isinstance(members, Mapping) else 0


def _missing(section: Document, keys: tuple[KeyPath, ...], above: KeyPath) -> Iterator[Finding]:
    for key in keys:
        if not value_at(section, key):
            what = "a cluster needs this key"
            remedy = "add it, the secrets alike on all nodes"
            yield Finding((*above, *key), what, remedy, "cluster-key-missing")


def _is_listed(document: Document, members: Mapping[str, str]) -> bool:
    manager = document["manager"]
    own = {manager["hostname"], manager["private_ip"], manager["public_ip"]}
    return bool(own & {*members, *members.values()})


def _not_listed(document: Document, path: KeyPath) -> Finding:
    name, address = document["manager"]["hostname"], document["manager"]["private_ip"]
    what = f"this node, {name} with address {address}, is not among them"
    remedy = "list every node of the cluster, this one included"
    return Finding(path, what, remedy, "node-not-listed")


SERVICE_RULES: RuleTable = {
    service_findings: ("services_to_install", "rabbitmq"),
    quorum_findings: ("services_to_install", "postgresql_server", "rabbitmq"),
    database_findings: ("services_to_install", "postgresql_server", "manager"),
    failover_findings: ("services_to_install", "postgresql_server"),
    remote_connection_findings: ("services_to_install", "postgresql_server"),
    queue_findings: ("services_to_install", "rabbitmq", "manager"),
    broker_name_findings: ("services_to_install", "rabbitmq"),
    policy_findings: ("rabbitmq",),
}
