"""Which hosts a sandbox has, on which networks, with which addresses."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from installer.errors import ConfigError, Problem

DEFAULT_NETWORK = "default"
_WIDEST_PREFIX = 8
_USUAL_PREFIX = 24
_FIRST_HOST = 11  # host-1 is .11: low numbers stay free for the controller and virtual addresses
_MOST_HOSTS = 200
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Node:
    """One wanted host: its name and its address on each network, the default one first."""

    name: str
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """One network of the sandbox: a bridge on which the controller has an address."""

    bridge: str
    subnet: str
    controller: str


@dataclass(frozen=True, slots=True)
class Interface:
    """One network card of a host: its name inside, its bridge, addresses with prefix length."""

    name: str
    bridge: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host: its name, its number in the sandbox, its network cards."""

    name: str
    number: int
    interfaces: tuple[Interface, ...]

    @property
    def address(self) -> str:
        """Return the address on the default network."""
        return self.interfaces[0].addresses[0].partition("/")[0]

    def port(self, interface: Interface) -> str:
        """Return the name of the bridge's end of a card's cable; at most 15 characters."""
        return f"p{self.number}-{interface.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All networks and hosts of a sandbox."""

    segments: tuple[Segment, ...]
    hosts: tuple[HostPlan, ...]


def numbered_nodes(sandbox: str, count: int) -> tuple[Node, ...]:
    """Return host-1 … host-N with addresses of a 10.x subnet that the sandbox's name selects."""
    if not 1 <= count <= _MOST_HOSTS:
        raise ConfigError(
            Problem(
                where="--hosts",
                what=f"{count} is not between 1 and {_MOST_HOSTS}",
                remedy="ask for fewer hosts, or use an inventory with subnets of its own",
            )
        )
    second, third = hashlib.sha256(sandbox.encode()).digest()[:2]
    return tuple(
        Node(f"host-{number}", {DEFAULT_NETWORK: f"10.{second}.{third}.{_FIRST_HOST - 1 + number}"})
        for number in range(1, count + 1)
    )


def plan_hosts(nodes: Sequence[Node], reserved: Iterable[str] = ()) -> Plan:
    """Return the networks and cards that give every node its addresses.

    Networks whose subnets overlap become one segment; `reserved` addresses (virtual ones)
    are never the controller's.
    """
    _refuse_bad_nodes(nodes)
    subnets = _subnets(nodes)
    taken = {address for node in nodes for address in node.addresses.values()} | set(reserved)
    segments = tuple(
        Segment(f"br{index}", str(subnet), _free_address(subnet, taken))
        for index, subnet in enumerate(subnets)
    )
    hosts = tuple(
        HostPlan(node.name, number, _interfaces(node, segments))
        for number, node in enumerate(nodes, start=1)
    )
    return Plan(segments, hosts)


def _refuse_bad_nodes(nodes: Sequence[Node]) -> None:
    problems = []
    seen: dict[str, str] = {}
    for index, node in enumerate(nodes):
        if not _NAME.fullmatch(node.name):
            problems.append(
                Problem(
                    where=f"nodes[{index}].name",
                    what=f"{node.name!r} is not a host name",
                    remedy="use lower-case letters, digits, '-' and '.'",
                )
            )
        for word in (node.name, *set(node.addresses.values())):
            if word in seen:
                problems.append(
                    Problem(
                        where=f"nodes[{index}]",
                        what=f"{word!r} belongs to {seen[word]} already",
                        remedy="give each host a name and addresses of its own",
                    )
                )
            seen[word] = node.name
    if problems:
        raise ConfigError(*problems)


def _subnets(nodes: Sequence[Node]) -> list[IPv4Network]:
    by_network: dict[str, list[IPv4Address]] = {}
    for index, node in enumerate(nodes):
        for network, address in node.addresses.items():
            by_network.setdefault(network, []).append(_parse(index, network, address))
    merged: list[IPv4Network] = []
    for addresses in by_network.values():
        subnet = _covering(addresses)
        for other in [known for known in merged if known.overlaps(subnet)]:
            merged.remove(other)
            subnet = _covering([subnet[0], subnet[-1], other[0], other[-1]])
        merged.append(subnet)
    # the default network comes first, for the routes and the ssh configuration
    first = _parse(0, DEFAULT_NETWORK, next(iter(nodes[0].addresses.values())))
    return sorted(merged, key=lambda subnet: (first not in subnet, subnet))


def _parse(index: int, network: str, address: str) -> IPv4Address:
    try:
        return IPv4Address(address)
    except ValueError as error:
        key = "address" if network == DEFAULT_NETWORK else f"networks.{network}"
        raise ConfigError(
            Problem(
                where=f"nodes[{index}].{key}",
                what=f"{address!r} is not an IPv4 address",
                remedy="the sandbox makes hosts with the addresses of the inventory: write one",
            )
        ) from error


def _covering(addresses: Sequence[IPv4Address]) -> IPv4Network:
    for prefix in range(_USUAL_PREFIX, _WIDEST_PREFIX - 1, -1):
        subnet = IPv4Network((addresses[0], prefix), strict=False)
        if all(address in subnet for address in addresses):
            return subnet
    raise ConfigError(
        Problem(
            where="nodes",
            what=f"no subnet of a usual size holds {min(addresses)} and {max(addresses)}",
            remedy="give the nodes of one network addresses that are closer to each other",
        )
    )


def _free_address(subnet: IPv4Network, taken: set[str]) -> str:
    for address in subnet.hosts():
        if str(address) not in taken:
            return str(address)
    raise ConfigError(
        Problem(where="nodes", what=f"{subnet} has no free address", remedy="use fewer hosts")
    )


def _interfaces(node: Node, segments: Sequence[Segment]) -> tuple[Interface, ...]:
    interfaces: list[Interface] = []
    for segment in segments:
        subnet = IPv4Network(segment.subnet)
        addresses = dict.fromkeys(
            f"{address}/{subnet.prefixlen}"
            for address in node.addresses.values()
            if IPv4Address(address) in subnet
        )
        if addresses:
            name = f"host{len(interfaces)}"
            interfaces.append(Interface(name, segment.bridge, tuple(addresses)))
    return tuple(interfaces)
