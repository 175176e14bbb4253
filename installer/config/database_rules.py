"""Rules for the database of a node: its members, its secrets, who may connect, and its times."""

from collections.abc import Iterator

from installer.config.model import Document
from installer.config.service_rules import (
    has,
    is_listed,
    missing_key_findings,
    not_listed_finding,
)
from installer.config.source import Finding, KeyPath, RuleTable, warning

_DATABASE_SECRETS: tuple[KeyPath, ...] = (
    ("postgres_password",),
    ("cluster", "etcd", "cluster_token"),
    ("cluster", "etcd", "root_password"),
    ("cluster", "etcd", "patroni_password"),
    ("cluster", "patroni", "rest_password"),
    ("cluster", "postgres", "replicator_password"),
)
_MARGIN_S = 5  # Patroni's watchdog.safety_margin
# what the database role writes itself; a test holds the two together
FIXED_PARAMETERS = frozenset(
    {
        *("password_encryption", "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"),
        *("ssl_min_protocol_version", "unix_socket_directories"),
    }
)


def database_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a database cluster lacks."""
    server = document["postgresql_server"]
    nodes = server["cluster"]["nodes"]
    if not has(document, "database"):
        return
    if len(nodes) > 1:
        yield from missing_key_findings(server, _DATABASE_SECRETS, ("postgresql_server",))
        certificates = (("cert_path",), ("key_path",), ("ca_path",))
        yield from missing_key_findings(server, certificates, ("postgresql_server",))
    if nodes and not is_listed(document, {name: node["ip"] for name, node in nodes.items()}):
        yield not_listed_finding(document, ("postgresql_server", "cluster", "nodes"))
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


def etcd_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when etcd would not start with its timings.

    Source: etcd, server/config/config.go: five heartbeats must fit into an election timeout.
    """
    etcd = document["postgresql_server"]["cluster"]["etcd"]
    heartbeat, election = etcd["heartbeat_interval_ms"], etcd["election_timeout_ms"]
    if has(document, "database") and election < 5 * heartbeat:
        yield Finding(
            ("postgresql_server", "cluster", "etcd", "election_timeout_ms"),
            f"{election} ms are less than five heartbeats of {heartbeat} ms: etcd does not start",
            f"write {10 * heartbeat}: ten heartbeats",
            "etcd-timing-refused",
        )


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


def parameter_findings(document: Document) -> Iterator[Finding]:
    """Yield a warning for each parameter of PostgreSQL that is not the operator's to set.

    Source: Patroni, "PostgreSQL parameters controlled by Patroni".
    """
    for name in document["postgresql_server"]["config"]:
        if name in FIXED_PARAMETERS:
            path = ("postgresql_server", "config", name)
            what = f"{name} follows from the cluster, what is written here has no effect"
            yield warning(path, what, "remove it", "parameter-without-effect")


DATABASE_RULES: RuleTable = {
    database_findings: ("services_to_install", "postgresql_server", "manager"),
    failover_findings: ("services_to_install", "postgresql_server"),
    etcd_findings: ("services_to_install", "postgresql_server"),
    remote_connection_findings: ("services_to_install", "postgresql_server"),
    parameter_findings: ("postgresql_server",),
}
