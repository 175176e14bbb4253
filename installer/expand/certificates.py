"""Which certificates a cluster needs, and which files of them each node holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from installer.config.formats import is_ip
from installer.expand.names import CA_PATH, SSL_FOLDER, application_user
from installer.inventory import Inventory, Node, Role

# the users as whom a database node logs in: etcd's, then PostgreSQL's
DATABASE_USERS = ("root", "patroni", "replicator", "postgres")

# node → file name → PEM, as the store of `installer.pki` returns it: ca.crt, NAME.crt, NAME.key
Certificates = Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """One certificate of one node; no two nodes share a key, not even a user's."""

    node: str
    name: str  # "node", or "client-<user>"
    common_name: str
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = ("server", "client")


def certificate_requests(inventory: Inventory) -> tuple[CertificateRequest, ...]:
    """Return the certificates of all nodes, in the order of the file."""
    return tuple(request for node in inventory.nodes for request in _requests(inventory, node))


def _requests(inventory: Inventory, node: Node) -> Iterator[CertificateRequest]:
    hosts = node_hosts(inventory, node)
    yield CertificateRequest(
        node=node.name,
        name="node",
        common_name=node.name,
        dns_names=tuple(host for host in hosts if not is_ip(host)),
        addresses=tuple(host for host in hosts if is_ip(host)),
    )
    for user in node_users(inventory, node):
        yield CertificateRequest(
            node=node.name, name=f"client-{user}", common_name=user, usages=("client",)
        )


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
    files = certificates[node.name]
    yield CA_PATH, files["ca.crt"]
    for request in _requests(inventory, node):
        for ending in ("crt", "key"):
            name = f"{request.name}.{ending}"
            yield f"{SSL_FOLDER}/{name}", files[name]
