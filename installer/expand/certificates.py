"""Which certificates a cluster needs: for whom, with which names, for which usages."""

from collections.abc import Iterator
from dataclasses import dataclass

from installer.config.formats import is_ip
from installer.expand.names import CA_FILE, application_user
from installer.inventory import Inventory, Node, Role

# the users whose certificates a database node shows: etcd's, then PostgreSQL's; etcd's root
# logs in with its password over the node's own certificate
DATABASE_USERS = ("patroni", "replicator", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """One certificate of one node; its files are `<name>.crt` and `<name>.key` beside `ca.crt`."""

    node: str
    name: str  # "node", or "client-<user>"
    common_name: str
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = ("server", "client")

    @property
    def files(self) -> tuple[str, str]:
        """Return the names of certificate and key below the node's folder."""
        return f"{self.name}.crt", f"{self.name}.key"


def certificate_requests(inventory: Inventory) -> tuple[CertificateRequest, ...]:
    """Return the certificates of all nodes, in the order of the file."""
    return tuple(request for node in inventory.nodes for request in _requests(inventory, node))


def certificate_files(inventory: Inventory, node: Node) -> tuple[str, ...]:
    """Return the names of all certificate files that a node holds."""
    issued = [file for request in _requests(inventory, node) for file in request.files]
    return (CA_FILE, *issued)


def serves(request: CertificateRequest, inventory: Inventory, service: Role) -> bool:
    """Tell whether a service of the request's node uses this certificate."""
    if service not in inventory.node(request.node).roles:
        return False
    if request.name == "node":
        return True
    if service is Role.DATABASE:
        return request.common_name in DATABASE_USERS
    return service is Role.MANAGER and request.common_name == application_user(inventory)


def _requests(inventory: Inventory, node: Node) -> Iterator[CertificateRequest]:
    yield _node_request(inventory, node)
    users: list[str] = []
    if Role.DATABASE in node.roles:
        users.extend(DATABASE_USERS)
    if Role.MANAGER in node.roles and inventory.with_role(Role.DATABASE):
        users.append(application_user(inventory))
    for user in users:
        yield CertificateRequest(
            node=node.name, name=f"client-{user}", common_name=user, usages=("client",)
        )


def _node_request(inventory: Inventory, node: Node) -> CertificateRequest:
    """Source: the cluster guide's SANs: name, own addresses, localhost; each network's address."""
    hosts = [node.name, node.address, node.public_address, *node.networks.values()]
    if {Role.MANAGER, Role.LOADBALANCER} & {*node.roles}:
        balancer = inventory.load_balancer  # clients address any of them by the common address
        hosts += [host for host in (balancer.address, balancer.virtual_ip) if host]
    unique = tuple(dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"]))
    return CertificateRequest(
        node=node.name,
        name="node",
        common_name=node.name,
        dns_names=tuple(host for host in unique if not is_ip(host)),
        addresses=tuple(host for host in unique if is_ip(host)),
    )
