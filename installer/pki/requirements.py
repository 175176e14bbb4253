"""What a table of a cluster's certificates asks for, made into what each certificate must say."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from installer.errors import Problem
from installer.pki.request import MAX_COMMON_NAME, LeafRequest, Usage, is_address, is_dns_name


class CertificateRequest(Protocol):
    """One certificate of one node, a line of the table."""

    @property
    def node(self) -> str:
        """The node that holds it."""

    @property
    def name(self) -> str:
        """`node`, or `client-<user>`: the name of its files."""

    @property
    def common_name(self) -> str:
        """The node's name, or the user that PostgreSQL or etcd takes its holder for."""

    @property
    def dns_names(self) -> Sequence[str]:
        """The host names that it must cover."""

    @property
    def addresses(self) -> Sequence[str]:
        """The IP addresses that it must cover."""

    @property
    def usages(self) -> Sequence[str]:
        """`server`, `client` or both."""


def leaf_request(request: CertificateRequest) -> LeafRequest:
    """Return what the requested certificate must say, with the default key and lifetime."""
    return LeafRequest(
        common_name=request.common_name,
        dns_names=_dns_names(request.dns_names, request.addresses),
        addresses=tuple(request.addresses),
        usages=tuple(Usage(usage) for usage in request.usages),
    )


def host_leaf(hosts: Iterable[str]) -> LeafRequest:
    """Return the request for a certificate of these names and addresses; the first one names it."""
    hosts = tuple(dict.fromkeys(hosts))
    addresses = tuple(host for host in hosts if is_address(host))
    names = tuple(host for host in hosts if host not in addresses)
    short = len(hosts[0]) <= MAX_COMMON_NAME  # a longer name is whole among the DNS names only
    return LeafRequest(
        common_name=hosts[0] if short else hosts[0].split(".")[0],
        dns_names=_dns_names(names, addresses),
        addresses=addresses,
    )


def request_problems(requests: Iterable[CertificateRequest]) -> Iterator[Problem]:
    """Yield a problem for each request that must not be issued."""
    requests = tuple(requests)
    users = {request.common_name for request in requests if Usage.SERVER not in request.usages}
    for request in requests:
        where = f"certificate {request.name} of {request.node}"
        if not (is_dns_name(request.node) and is_dns_name(request.name)):
            yield Problem(  # they become file names: no slash, no dot at their start
                where=where,
                what="it cannot name a file",
                remedy="use letters, digits, -, _ and dots between them",
            )
        if Usage.SERVER in request.usages and request.common_name in users:
            yield Problem(
                where=where,
                what=f"{request.common_name!r} is also a user of PostgreSQL or etcd, which would"
                " take the node for that user",
                remedy=f"give the node another name than {', '.join(sorted(users))}",
            )


def _dns_names(names: Iterable[str], addresses: Iterable[str]) -> tuple[str, ...]:
    """Add each IPv4 address as a name: the cluster guide does, and Cloudify's own check wants it.

    An IPv6 address cannot be one: RFC 5280 allows no colon in a DNS name.
    """
    return (*names, *(address for address in addresses if ":" not in address))
