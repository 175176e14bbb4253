"""The subnets that hold the addresses of a sandbox's hosts, IPv4 and IPv6."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from installer.errors import ConfigError, Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_USUAL_PREFIX = {4: 24, 6: 64}
_WIDEST_PREFIX = {4: 8, 6: 48}


def covering_subnets(nodes: Sequence[Mapping[str, str]]) -> list[Network]:
    """Return the subnets of all networks, those that overlap as one.

    Each node is its address by network; the first subnet holds the first address of the first one.
    """
    by_network: dict[tuple[str, int], list[Address]] = {}
    for index, addresses in enumerate(nodes):
        for network, text in addresses.items():
            address = _parse(index, network, text)
            by_network.setdefault((network, address.version), []).append(address)
    merged: list[Network] = []
    for found in by_network.values():
        subnet = _covering(found)
        for other in [known for known in merged if known.overlaps(subnet)]:
            merged.remove(other)
            subnet = _covering([subnet[0], subnet[-1], other[0], other[-1]])
        merged.append(subnet)
    first = ip_address(next(iter(nodes[0].values())))
    return sorted(merged, key=lambda net: (first not in net, net.version, int(net[0])))


def free_address(subnet: Network, taken: Collection[str]) -> str:
    """Return an address of the subnet that nobody has."""
    used = {ip_address(text) for text in taken if _is_address(text)}
    for address in subnet.hosts():
        if address not in used:
            return str(address)
    raise ConfigError(
        Problem(where="nodes", what=f"{subnet} has no free address", remedy="use fewer hosts")
    )


def _parse(index: int, network: str, text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        key = "address" if network == "default" else f"networks.{network}"
        raise ConfigError(
            Problem(
                where=f"nodes[{index}].{key}",
                what=f"{text!r} is not an IP address",
                remedy="the sandbox makes hosts with the addresses of the inventory: write one",
            )
        ) from error


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _covering(addresses: Sequence[Address]) -> Network:
    version = addresses[0].version
    for prefix in range(_USUAL_PREFIX[version], _WIDEST_PREFIX[version] - 1, -1):
        subnet = ip_network((addresses[0], prefix), strict=False)
        if all(address in subnet for address in addresses):
            return subnet
    raise ConfigError(
        Problem(
            where="nodes",
            what=f"no subnet of a usual size holds all of {', '.join(map(str, addresses))}",
            remedy="give the nodes of one network addresses that are closer to each other",
        )
    )
