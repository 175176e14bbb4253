"""Which hosts a sandbox has, on which networks, with which addresses."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from installer.errors import ConfigError, Problem
from installer.sandbox.subnets import covering_subnets, free_address

DEFAULT_NETWORK = "default"
_FIRST_HOST = 11  # host-1 is .11: low numbers stay free for the controller and virtual addresses
_MOST_HOSTS = 200
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Node:
    """One wanted host: its name and its address on each network, the default one first.

    `aliases` are further names that lead to its address on the default network.
    """

    name: str
    addresses: Mapping[str, str]
    aliases: tuple[str, ...] = ()


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
    """One host: its name, its number in the sandbox, its network cards, its further names."""

    name: str
    number: int
    interfaces: tuple[Interface, ...]
    aliases: tuple[str, ...] = ()

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
    return tuple(
        Node(f"host-{number}", {DEFAULT_NETWORK: numbered_address(sandbox, number)})
        for number in range(1, count + 1)
    )


def numbered_address(sandbox: str, number: int) -> str:
    """Return the address of a host that has none of its own, on a subnet that the name selects."""
    second, third = hashlib.sha256(sandbox.encode()).digest()[:2]
    return f"10.{second}.{third}.{_FIRST_HOST - 1 + number}"


def plan_hosts(nodes: Sequence[Node], reserved: Iterable[str] = ()) -> Plan:
    """Return the networks and cards that give every node its addresses.

    Networks whose subnets overlap become one segment; `reserved` addresses (virtual ones)
    are never the controller's.
    """
    _refuse_bad_nodes(nodes)
    subnets = covering_subnets([node.addresses for node in nodes])
    taken = {address for node in nodes for address in node.addresses.values()} | set(reserved)
    segments = tuple(
        Segment(f"br{index}", str(subnet), free_address(subnet, taken))
        for index, subnet in enumerate(subnets)
    )
    hosts = tuple(
        HostPlan(node.name, number, _interfaces(node, segments), node.aliases)
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
        for word in {node.name, *node.aliases, *node.addresses.values()}:
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


def _interfaces(node: Node, segments: Sequence[Segment]) -> tuple[Interface, ...]:
    interfaces: list[Interface] = []
    for segment in segments:
        subnet = ip_network(segment.subnet)
        addresses = dict.fromkeys(
            f"{address}/{subnet.prefixlen}"
            for address in node.addresses.values()
            if ip_address(address) in subnet
        )
        if addresses:
            name = f"host{len(interfaces)}"
            interfaces.append(Interface(name, segment.bridge, tuple(addresses)))
    return tuple(interfaces)
