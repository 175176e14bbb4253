"""Rules for managers, load balancers and status reporters."""

import ipaddress
from collections.abc import Iterator

from installer.config.formats import is_ip
from installer.config.model import Document
from installer.config.service_rules import has
from installer.config.source import Finding, RuleTable, warning

MOST_MANAGERS = 10  # the cluster guide: two to ten manager nodes
_LOCAL = {"localhost", "127.0.0.1", "::1"}


def database_hosts(document: Document) -> list[str]:
    """Return the addresses of the database that the manager uses: a cluster's, if it is listed."""
    if nodes := document["postgresql_server"]["cluster"]["nodes"]:
        return [node["ip"] for node in nodes.values()]
    host = document["postgresql_client"]["host"]
    return [host] if isinstance(host, str) else list(host)


def has_remote_database(document: Document) -> bool:
    """Return whether the manager's database is on other machines too."""
    manager = document["manager"]
    own = _LOCAL | {manager["private_ip"], manager["public_ip"], manager["hostname"]}
    return not own.issuperset(database_hosts(document))


def database_client_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a manager lacks to reach its database."""
    client = document["postgresql_client"]
    if not has(document, "manager"):
        return
    if has_remote_database(document):
        for key in ("ca_path", "cloudify_password"):
            if not client[key]:
                what = "a database on another machine needs this key"
                path = ("postgresql_client", key)
                yield Finding(path, what, "add it", "database-client-incomplete")
    elif not has(document, "database"):
        what = "no database: it is neither on this node nor on another"
        remedy = "write the address of the database, or add database_service to the services"
        yield Finding(("postgresql_client", "host"), what, remedy, "no-database")
    certificate = document["ssl_inputs"]["postgresql_client_cert_path"]
    if client["ssl_client_verification"] and has_remote_database(document) and not certificate:
        what = "client verification needs a client certificate"
        remedy = f"add one whose common name is {client['cloudify_username']}"
        path = ("ssl_inputs", "postgresql_client_cert_path")
        yield Finding(path, what, remedy, "client-certificate-missing")


def database_name_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for users and databases of the managers that cannot work together.

    Source: Azure Database for PostgreSQL, single server: user names have the form user@server.
    """
    client = document["postgresql_client"]
    server_user, user = client["server_username"], client["cloudify_username"]
    if not has(document, "manager"):
        return
    if server_user == user:
        what = "the manager's own user must not be the superuser"
        path = ("postgresql_client", "cloudify_username")
        yield Finding(path, what, "choose another name", "application-is-superuser")
    if client["server_db_name"] == client["cloudify_db_name"]:
        what = "the manager's database must not be the one of server_username"
        path = ("postgresql_client", "cloudify_db_name")
        yield Finding(path, what, "choose another name", "application-is-superuser")
    if client["server_password"] and ("@" in server_user) != ("@" in user):
        what = "one of server_username and cloudify_username has an @, the other has not"
        remedy = "with Azure's single server both end in @SERVER, elsewhere neither"
        path = ("postgresql_client", "cloudify_username")
        yield Finding(path, what, remedy, "azure-user-names")


def broker_client_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a manager lacks to reach its brokers."""
    queue = document["rabbitmq"]
    if not has(document, "manager") or has(document, "queue"):
        return
    if not queue["cluster_members"]:
        what = "no broker: none is on this node and none is listed"
        remedy = "list the brokers, or add queue_service to the services"
        yield Finding(("rabbitmq", "cluster_members"), what, remedy, "no-broker")
    for key in ("ca_path", "password"):
        if not queue[key]:
            what = "brokers on other machines need this key"
            yield Finding(("rabbitmq", key), what, "add it", "broker-client-incomplete")


def external_broker_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each key that only external brokers obey: ours have one port and `/`."""
    queue = document["rabbitmq"]
    for key, own in (("port", 5671), ("vhost", "/")):
        if queue[key] != own and not queue["is_external"]:
            what = f"brokers of this cluster have the {key} {own}"
            remedy = "remove the key, or set is_external to true"
            yield Finding(("rabbitmq", key), what, remedy, "external-broker-key")


def manager_certificate_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when a manager that needs others has no certificate of their CA."""
    ssl = document["ssl_inputs"]
    is_alone = has(document, "database") or has(document, "queue")
    if has(document, "manager") and not is_alone and not ssl["internal_cert_path"]:
        what = "a manager beside other nodes needs a certificate of the cluster's CA"
        remedy = "add internal_cert_path, internal_key_path and ca_cert_path"
        path = ("ssl_inputs", "internal_cert_path")
        yield Finding(path, what, remedy, "manager-without-certificate")
    if ssl["internal_cert_path"] and not ssl["ca_cert_path"]:
        what = "the certificate is given without the CA that issued it"
        path = ("ssl_inputs", "ca_cert_path")
        yield Finding(path, what, "add the CA's certificate", "certificate-without-ca")


def manager_count_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when there are more managers than a cluster takes, or this one is missing."""
    members = document["manager"]["cluster_members"]
    if not has(document, "manager") or not members:
        return
    path = ("manager", "cluster_members")
    if len(members) > MOST_MANAGERS:
        what = f"{len(members)} managers are too many, the most is {MOST_MANAGERS}"
        yield Finding(path, what, "remove some", "too-many-members")
    if document["manager"]["hostname"] not in members:
        what = f"this node, {document['manager']['hostname']}, is not among them"
        yield Finding(path, what, "list every manager, this one included", "node-not-listed")


def load_balancer_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a load balancer lacks."""
    balancer = document["loadbalancer"]
    if not has(document, "loadbalancer"):
        return
    for key in ("managers", "cert_path", "key_path", "ca_path"):
        if not balancer[key]:
            what = "a load balancer needs this key"
            yield Finding(("loadbalancer", key), what, "add it", "load-balancer-incomplete")
    if balancer["virtual_ip"]:
        yield from _virtual_ip_findings(balancer)
    elif balancer["peers"]:
        what = "two load balancers share an address, which is missing"
        path = ("loadbalancer", "virtual_ip")
        yield Finding(path, what, "add it, or remove peers", "virtual-ip-missing")


def _virtual_ip_findings(balancer: Document) -> Iterator[Finding]:
    if not balancer["vrrp_password"]:
        path, what = ("loadbalancer", "vrrp_password"), "load balancers share the virtual IP by it"
        yield Finding(path, what, "add it, or remove virtual_ip", "load-balancer-incomplete")
    if not balancer["peers"]:
        path, what = ("loadbalancer", "peers"), "nobody else takes the virtual IP over"
        yield warning(path, what, "add it, or remove virtual_ip", "virtual-ip-alone")


def virtual_ip_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding when the virtual IP is taken, or lies on no network of the node."""
    virtual_ip = document["loadbalancer"]["virtual_ip"]
    addresses = [address for address in document["networks"].values() if is_ip(address)]
    if not virtual_ip or not addresses:
        return
    path = ("loadbalancer", "virtual_ip")
    if virtual_ip in addresses:
        what = f"{virtual_ip} is the node's own address"
        yield Finding(path, what, "choose an address that nobody has", "virtual-ip-taken")
    elif not any(shares_network(virtual_ip, address) for address in addresses):
        what = f"{virtual_ip} lies on no network of this node: {', '.join(addresses)}"
        remedy = "choose a free address of the network of private_ip"
        yield Finding(path, what, remedy, "virtual-ip-off-network")


def shares_network(one: str, other: str) -> bool:
    """Return whether two addresses may be in one network: alike in 16 bits, 48 with IPv6.

    The real prefix is known to the node only; this finds slips of the pen.
    """
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    bits = 16 if first.version == 4 else 48
    return first.version == second.version and second in ipaddress.ip_network(
        f"{first}/{bits}", strict=False
    )


def reporter_findings(document: Document) -> Iterator[Finding]:
    """Yield a finding for each thing that a status reporter with a token lacks."""
    reporter = document["status_reporter"]
    if not reporter["token"] or has(document, "manager"):
        return
    for key in ("managers_ip", "ca_path"):
        if not reporter[key]:
            what = "a reporter with a token needs this key"
            path = ("status_reporter", key)
            yield Finding(path, what, "add it, or remove token", "reporter-incomplete")


MANAGER_RULES: RuleTable = {
    database_client_findings: (
        "services_to_install",
        "postgresql_client",
        "postgresql_server",
        "manager",
        "ssl_inputs",
    ),
    database_name_findings: ("services_to_install", "postgresql_client"),
    broker_client_findings: ("services_to_install", "rabbitmq"),
    external_broker_findings: ("rabbitmq",),
    manager_certificate_findings: ("services_to_install", "ssl_inputs", "postgresql_client"),
    manager_count_findings: ("services_to_install", "manager"),
    load_balancer_findings: ("services_to_install", "loadbalancer"),
    virtual_ip_findings: ("loadbalancer", "networks", "manager"),
    reporter_findings: ("services_to_install", "status_reporter"),
}
