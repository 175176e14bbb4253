"""Which certificates a cluster needs, and which files of them each node holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from installer.config.formats import is_ip
from installer.expand.names import CA_PATH, SSL_FOLDER, application_user
from installer.inventory import Inventory, Node, Role

# the users as whom a database node logs in: etcd's, then PostgreSQL's
DATABASE_USERS = ("root", "patroni", "replicator", "postgres")


class Pair(Protocol):
    """A certificate and its key, both PEM."""

    @property
    def certificate(self) -> bytes:
        """The certificate; intermediates may follow it."""

    @property
    def key(self) -> bytes:
        """The private key."""


class Certificates(Protocol):
    """What was issued for a cluster, such as the store of `installer.pki`."""

    def ca_certificate(self) -> bytes:
        """Return the CA's certificate."""

    def node(self, name: str) -> Pair:
        """Return a node's certificate and key."""

    def client(self, user: str) -> Pair:
        """Return the certificate and key of a user of etcd or PostgreSQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """One certificate that a cluster needs, for a node or for a user of its services."""

    kind: str  # "nodes" or "clients"
    name: str  # the node's or the user's; it is the common name too
    hosts: tuple[str, ...] = ()  # every name and address by which others reach the node
    usages: tuple[str, ...] = ("server", "client")

    @property
    def common_name(self) -> str:
        """Return the name that the certificate carries."""
        return self.name

    @property
    def dns_names(self) -> tuple[str, ...]:
        """Return the host names; IPv4 addresses too, as the cluster guide has it."""
        return tuple(host for host in self.hosts if ":" not in host)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the IP addresses."""
        return tuple(host for host in self.hosts if is_ip(host))


def certificate_requests(inventory: Inventory) -> tuple[CertificateRequest, ...]:
    """Return one request for each node and one for each user, in the order of the file."""
    nodes = [
        CertificateRequest(kind="nodes", name=node.name, hosts=node_hosts(inventory, node))
        for node in inventory.nodes
    ]
    users = dict.fromkeys(user for node in inventory.nodes for user in node_users(inventory, node))
    clients = [CertificateRequest(kind="clients", name=user, usages=("client",)) for user in users]
    return (*nodes, *clients)


def node_hosts(inventory: Inventory, node: Node) -> tuple[str, ...]:
    """Return every name and address that a node's certificate covers, its name first.

    Source: the cluster guide, "Certificates Setup" and "Accessing the Load Balancer".
    """
    hosts = [node.name, node.address, node.public_address, *node.networks.values()]
    if {Role.MANAGER, Role.LOADBALANCER} & {*node.roles}:
        balancer = inventory.load_balancer  # clients reach any of them by the common address
        hosts += [host for host in (balancer.address, balancer.virtual_ip) if host]
    return tuple(dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"]))


def node_users(inventory: Inventory, node: Node) -> tuple[str, ...]:
    """Return the users whose client certificates a node holds."""
    users: list[str] = []
    if Role.DATABASE in node.roles:
        users.extend(DATABASE_USERS)
    if Role.MANAGER in node.roles and inventory.with_role(Role.DATABASE):
        users.append(application_user(inventory))
    return tuple(users)


def issued_files(
    inventory: Inventory, node: Node, certificates: Certificates
) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each certificate file of a node."""
    yield CA_PATH, certificates.ca_certificate()
    pairs = {"node": certificates.node(node.name)}
    for user in node_users(inventory, node):
        pairs[f"client-{user}"] = certificates.client(user)
    for name, pair in pairs.items():
        yield f"{SSL_FOLDER}/{name}.crt", pair.certificate
        yield f"{SSL_FOLDER}/{name}.key", pair.key
