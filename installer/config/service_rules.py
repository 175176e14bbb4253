"""Rules for the services of a node, and what the rules of single services share."""

from collections.abc import Iterator, Mapping

from installer.config.model import Document
from installer.config.source import Finding, KeyPath, RuleTable, value_at

_MOST_ETCD_MEMBERS = 7


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


def _size(document: Document, path: KeyPath) -> int:
    members = value_at(document, path)
    return len(members) if isinstance(members, Mapping) else 0


def missing_key_findings(
    section: Document, keys: tuple[KeyPath, ...], above: KeyPath
) -> Iterator[Finding]:
    """Yield a finding for each key of a section that the members of a cluster share and lack."""
    for key in keys:
        if not value_at(section, key):
            what = "a cluster needs this key"
            remedy = "add it, the secrets alike on all nodes"
            yield Finding((*above, *key), what, remedy, "cluster-key-missing")


def is_listed(document: Document, members: Mapping[str, str]) -> bool:
    """Return whether the node is among members, by its name or by an address of its."""
    manager = document["manager"]
    own = {manager["hostname"], manager["private_ip"], manager["public_ip"]}
    return bool(own & {*members, *members.values()})


def not_listed_finding(document: Document, path: KeyPath) -> Finding:
    """Return the finding that the node is not among the members at `path`."""
    name, address = document["manager"]["hostname"], document["manager"]["private_ip"]
    what = f"this node, {name} with address {address}, is not among them"
    remedy = "list every node of the cluster, this one included"
    return Finding(path, what, remedy, "node-not-listed")


SERVICE_RULES: RuleTable = {
    service_findings: ("services_to_install", "rabbitmq"),
    quorum_findings: ("services_to_install", "postgresql_server", "rabbitmq"),
}
