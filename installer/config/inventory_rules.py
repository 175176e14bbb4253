"""Rules between the keys of an inventory that no schema can say; each names its source."""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Any

from installer.config.backup_rules import INVENTORY_BACKUP_RULES
from installer.config.formats import is_ip
from installer.config.hardening_rules import INVENTORY_HARDENING_RULES
from installer.config.manager_rules import MOST_MANAGERS, shares_network
from installer.config.merge import with_defaults
from installer.config.model import Document
from installer.config.port_rules import INVENTORY_PORT_RULES
from installer.config.resilience_rules import RESILIENCE_RULES
from installer.config.rules import password_findings
from installer.config.schema import inventory_schema
from installer.config.source import Finding, KeyPath, RuleTable, value_at, warning
from installer.config.waivers import waiver_findings

_MOST_DATABASES, _MOST_BALANCERS = 7, 2

# keys of config.yaml that an inventory says otherwise
DERIVED_KEYS: tuple[tuple[KeyPath, str], ...] = (
    (("manager", "private_ip"), "write the node's `address`"),
    (("manager", "public_ip"), "write the node's `public_address`"),
    (("manager", "hostname"), "write the node's `name`"),
    (("manager", "cluster_members"), "give nodes the role `manager`"),
    (("services_to_install",), "write the node's `roles`"),
    (("networks",), "write the node's `networks`"),
    (("postgresql_server", "cluster", "nodes"), "give nodes the role `database`"),
    (("postgresql_server", "cert_path"), "see `certificates`"),
    (("postgresql_server", "key_path"), "see `certificates`"),
    (("postgresql_server", "ca_path"), "see `certificates`"),
    (("ssl_inputs", "ca_cert_path"), "see `certificates`"),
    (("ssl_inputs", "internal_cert_path"), "see `certificates`"),
    (("ssl_inputs", "internal_key_path"), "see `certificates`"),
    (("rabbitmq", "nodename"), "write the node's `name`"),
    (("rabbitmq", "join_cluster"), "members find each other by themselves"),
    (("rabbitmq", "cert_path"), "see `certificates`"),
    (("rabbitmq", "key_path"), "see `certificates`"),
    (("loadbalancer", "managers"), "give nodes the role `manager`"),
    (("loadbalancer", "peers"), "give nodes the role `loadbalancer`"),
    (("loadbalancer", "virtual_ip"), "write `load_balancer.virtual_ip`"),
    (("loadbalancer", "interface"), "write `load_balancer.interface`"),
    (("status_reporter", "managers_ip"), "give nodes the role `manager`"),
    (("status_reporter", "node_id"), "it is made from the names of cluster and node"),
    (("bundle",), "write `bundle` at the top"),
)


def complete_inventory(document: Document) -> dict[str, Any]:
    """Return the inventory with its defaults; `settings` hold what was written."""
    filled: dict[str, Any] = with_defaults(document, inventory_schema())
    return filled


def nodes_with(document: Document, role: str) -> list[Document]:
    """Return the nodes that have a role."""
    return [node for node in document["nodes"] if role in node["roles"]]


def twice_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each name and address that two nodes share."""
    for key, alike in (("name", str.lower), ("address", _canonical)):
        counts = Counter(alike(node[key]) for node in document["nodes"])
        for index, node in enumerate(document["nodes"]):
            if counts[alike(node[key])] > 1:
                what = f"{counts[alike(node[key])]} nodes have the {key} {node[key]}"
                remedy = f"give each node its own {key}"
                yield Finding(("nodes", index, key), what, remedy, "node-twice")


def reserved_name_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each node with the name of a user of the services.

    Source: etcd, "Authentication": the common name of a client certificate is the user.
    """
    given = value_at(document["settings"], ("postgresql_client", "cloudify_username"))
    users = {"root", "patroni", "postgres", "replicator", str(given or "cloudify")}
    for index, node in enumerate(document["nodes"]):
        if node["name"] in users:
            what = (
                f"{node['name']} is also a user of etcd or PostgreSQL: the node could log in as it"
            )
            remedy = "give the node another name"
            yield Finding(("nodes", index, "name"), what, remedy, "reserved-name")


def reachable_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each address by which another machine cannot reach a node.

    Source: RFC 6890, addresses of special use.
    """
    several = len(document["nodes"]) > 1
    for index, node in enumerate(document["nodes"]):
        for path, address in _addresses(node):
            if is_ip(address):
                ip = ipaddress.ip_address(address)
                unusable = ip.is_unspecified or ip.is_multicast or ip.is_link_local
                unusable |= several and ip.is_loopback
            else:
                unusable = several and address == "localhost"
            if unusable:
                what = f"{address} does not lead from one machine to another"
                remedy = "write an address that the other nodes can reach"
                yield Finding(("nodes", index, *path), what, remedy, "address-unreachable")


def quorum_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each cluster whose size wastes a member or is too large.

    Source: etcd FAQ, "Why an odd number of cluster members?" and "maximum cluster size";
    RabbitMQ Clustering Guide, "Node Counts and Quorum"; the cluster guide: two to ten managers.
    """
    for role in ("database", "queue"):
        count = len(nodes_with(document, role))
        if count and count % 2 == 0:
            what = f"{count} {role} nodes survive no more failures than {count - 1} would"
            remedy = f"give the role `{role}` to {count - 1} or {count + 1} nodes"
            yield Finding(("nodes",), what, remedy, "even-quorum")
    for role, most in (
        ("database", _MOST_DATABASES),
        ("manager", MOST_MANAGERS),
        ("loadbalancer", _MOST_BALANCERS),
    ):
        count = len(nodes_with(document, role))
        if count > most:
            what = f"{count} {role} nodes are too many, the most is {most}"
            remedy = f"give the role `{role}` to {most} nodes or fewer"
            yield Finding(("nodes",), what, remedy, "too-many-members")


def role_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each role that no node has and nothing external stands in for."""
    settings = document["settings"]
    external = {
        "database": bool(value_at(settings, ("postgresql_client", "host"))),
        "queue": bool(value_at(settings, ("rabbitmq", "is_external"))),
        "manager": False,
    }
    instead = {
        "database": ", or write the address of an external one to settings.postgresql_client.host",
        "queue": ", or describe external brokers in settings.rabbitmq with is_external: true",
        "manager": "",
    }
    for role, is_external in external.items():
        has_nodes = bool(nodes_with(document, role))
        if not has_nodes and not is_external:
            remedy = f"give the role `{role}` to a node{instead[role]}"
            what = f"no node has the role `{role}`"
            yield Finding(("nodes",), what, remedy, "role-without-node")
        if has_nodes and is_external:
            path = (
                ("postgresql_client", "host") if role == "database" else ("rabbitmq", "is_external")
            )
            what = f"nodes have the role `{role}`, but an external one is described too"
            remedy = "remove one of the two"
            yield Finding(("settings", *path), what, remedy, "external-and-own")


def load_balancer_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that is wrong with the cluster's own address.

    Source: keepalived.conf(5): a virtual address moves between machines of one network.
    """
    balancers = nodes_with(document, "loadbalancer")
    virtual_ip = document["load_balancer"]["virtual_ip"]
    if len(balancers) > 1 and not virtual_ip:
        what = "two load balancers share an address, which is missing"
        remedy = "add load_balancer.virtual_ip, a free address of their network"
        yield Finding(("load_balancer",), what, remedy, "virtual-ip-missing")
    path = ("load_balancer", "virtual_ip")
    if virtual_ip and not balancers:
        what = "nobody has the virtual IP: no node has the role `loadbalancer`"
        remedy = "give the role to two nodes, or remove virtual_ip"
        yield Finding(path, what, remedy, "role-without-node")
    if virtual_ip and len(balancers) == 1:
        what = "no second load balancer takes the virtual IP over"
        remedy = "give the role `loadbalancer` to two nodes, or remove virtual_ip"
        yield warning(path, what, remedy, "virtual-ip-alone")


def virtual_ip_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when the virtual IP is taken, or lies on no network of a load balancer."""
    virtual_ip = document["load_balancer"]["virtual_ip"]
    path = ("load_balancer", "virtual_ip")
    if not virtual_ip:
        return
    for node in document["nodes"]:
        if virtual_ip in (node["address"], *node["networks"].values()):
            what = f"{virtual_ip} is the address of {node['name']}"
            yield Finding(path, what, "choose an address that nobody has", "virtual-ip-taken")
    for node in nodes_with(document, "loadbalancer"):
        addresses = [ip for ip in (node["address"], *node["networks"].values()) if is_ip(ip)]
        if addresses and not any(shares_network(virtual_ip, ip) for ip in addresses):
            what = f"{virtual_ip} lies on no network of {node['name']}: {', '.join(addresses)}"
            remedy = "choose a free address of the load balancers' network"
            yield Finding(path, what, remedy, "virtual-ip-off-network")


def setting_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each setting that the inventory says in another place."""
    settings = document["settings"]
    for path, instead in DERIVED_KEYS:
        if value_at(settings, path) is not None:
            what = "an inventory says this in another place"
            remedy = f"remove it: {instead}"
            yield Finding(("settings", *path), what, remedy, "setting-elsewhere")
    is_external = bool(value_at(settings, ("rabbitmq", "is_external")))
    if value_at(settings, ("rabbitmq", "cluster_members")) and not is_external:
        what = "an inventory says this in another place"
        remedy = "remove it: give nodes the role `queue`, or set is_external to true"
        path = ("settings", "rabbitmq", "cluster_members")
        yield Finding(path, what, remedy, "setting-elsewhere")


def external_certificate_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when clients could not verify the certificate that managers show them."""
    ssl = document["settings"].get("ssl_inputs", {})
    if ssl.get("external_cert_path") and not ssl.get("external_ca_cert_path"):
        path = ("settings", "ssl_inputs", "external_ca_cert_path")
        what = "an external certificate is given without its CA"
        remedy = "add the file with the CA's certificate, to check it with"
        yield Finding(path, what, remedy, "certificate-without-ca")


def setting_password_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each password among the settings that others know or can guess."""
    for finding in password_findings(document["settings"]):
        yield finding._replace(path=("settings", *finding.path))


def _addresses(node: Document) -> Iterator[tuple[KeyPath, str]]:
    yield ("address",), node["address"]
    for name, address in node["networks"].items():
        yield ("networks", name), address


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address)) if is_ip(address) else address.lower()


INVENTORY_RULES: RuleTable = {
    twice_findings: ("nodes",),
    reserved_name_findings: ("nodes", "settings"),
    reachable_findings: ("nodes",),
    quorum_findings: ("nodes",),
    role_findings: ("nodes", "settings"),
    load_balancer_findings: ("nodes", "load_balancer"),
    virtual_ip_findings: ("nodes", "load_balancer"),
    setting_findings: ("settings",),
    external_certificate_findings: ("settings",),
    setting_password_findings: ("settings",),
    waiver_findings: ("waive",),
    **INVENTORY_BACKUP_RULES,
    **INVENTORY_PORT_RULES,
    **INVENTORY_HARDENING_RULES,
    **RESILIENCE_RULES,
}
