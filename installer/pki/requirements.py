"""The table of certificates that a cluster needs: for whom, with which names, for which use."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from installer.errors import ConfigError, Problem
from installer.pki.request import (
    MAX_COMMON_NAME,
    KeyType,
    LeafRequest,
    Usage,
    is_address,
    is_dns_name,
)

# The name in a client certificate is the user that PostgreSQL or etcd takes its holder for.
POSTGRES_USERS: Final = ("cloudify", "postgres", "replicator")
ETCD_USERS: Final = ("root", "patroni")
CLIENT_USERS: Final = (*POSTGRES_USERS, *ETCD_USERS)
_LOCAL_HOSTS = ("localhost", "127.0.0.1")


class Kind(StrEnum):
    """Whose certificate it is; the value is its folder in the store."""

    NODE = "nodes"
    CLIENT = "clients"


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """One certificate that a store must hold."""

    kind: Kind
    name: str  # of the node or user, and of the files
    leaf: LeafRequest

    def __post_init__(self) -> None:
        if not is_dns_name(self.name):  # it becomes a file name: no slash, no dot at its start
            raise ConfigError(_bad_name(self))


@dataclass(frozen=True, slots=True)
class NodeHosts:
    """A node and every name and address by which others reach it, in any order."""

    name: str
    hosts: tuple[str, ...]


def cluster_requests(
    nodes: Iterable[NodeHosts],
    *,
    users: Iterable[str] = CLIENT_USERS,
    key_type: KeyType = KeyType.EC_P256,
    days: int = 365,
) -> tuple[CertificateRequest, ...]:
    """Return one request for each node and each client user.

    Raises ConfigError for a node with the name of a user: etcd would log the node in as that user.
    """
    nodes, users = tuple(nodes), tuple(users)
    clashes = [node.name for node in nodes if node.name in CLIENT_USERS]
    if clashes:
        raise ConfigError(*map(_name_clash, clashes))
    return (
        *(node_request(node, key_type=key_type, days=days) for node in nodes),
        *(client_request(user, key_type=key_type, days=days) for user in users),
    )


def node_request(
    node: NodeHosts, *, key_type: KeyType = KeyType.EC_P256, days: int = 365
) -> CertificateRequest:
    """Return the request for a node: one certificate for all its services, server and client."""
    leaf = host_leaf((node.name, *node.hosts, *_LOCAL_HOSTS), key_type=key_type, days=days)
    return CertificateRequest(Kind.NODE, node.name, leaf)


def client_request(
    user: str, *, key_type: KeyType = KeyType.EC_P256, days: int = 365
) -> CertificateRequest:
    """Return the request for a user of PostgreSQL or etcd; it names no host."""
    leaf = LeafRequest(common_name=user, key_type=key_type, days=days, usages=(Usage.CLIENT,))
    return CertificateRequest(Kind.CLIENT, user, leaf)


def host_leaf(
    hosts: Iterable[str], *, key_type: KeyType = KeyType.EC_P256, days: int = 365
) -> LeafRequest:
    """Return the request for a certificate of these hosts; the first one names it.

    An IPv4 address also stands as a DNS name: the cluster guide does so, and Cloudify's own check
    of certificates wants it. An IPv6 address cannot: RFC 5280 allows no colon in a DNS name.
    """
    hosts = tuple(dict.fromkeys(host for host in hosts if host))
    addresses = [host for host in hosts if is_address(host)]
    if any(":" in address for address in addresses):
        addresses.append("::1")
    return LeafRequest(
        common_name=_common_name(hosts[0]),
        dns_names=tuple(host for host in hosts if ":" not in host),
        addresses=tuple(dict.fromkeys(addresses)),
        key_type=key_type,
        days=days,
    )


def _common_name(host: str) -> str:
    """Shorten a long host name to its first label; the full name is among the DNS names."""
    return host if len(host) <= MAX_COMMON_NAME else host.split(".")[0]


def _name_clash(name: str) -> Problem:
    return Problem(
        where=f"nodes: {name}",
        what=f"{name!r} is also a user of PostgreSQL or etcd; the node could log in as that user",
        remedy=f"give the node another name than {', '.join(CLIENT_USERS)}",
    )


def _bad_name(request: CertificateRequest) -> Problem:
    return Problem(
        where=f"{request.kind.value}: {request.name!r}",
        what="it cannot name a certificate",
        remedy="use letters, digits, -, _ and dots between them",
    )
