"""The hosts that an inventory file asks for."""

from ipaddress import ip_address
from pathlib import Path

from installer import inventory
from installer.sandbox.plan import DEFAULT_NETWORK, Node, Plan, numbered_address, plan_hosts

_PUBLIC_NETWORK = "public"


def plan_of_inventory(path: Path) -> Plan:
    """Return the hosts and networks of an inventory; raises ConfigError with all its problems.

    A host whose address is a name gets a number, and the name leads to it on all hosts.
    """
    wanted = inventory.load_inventory(path)
    balancer = wanted.load_balancer
    # the controller must not sit on the address that the load balancers will share
    reserved = [word for word in (balancer.address, balancer.virtual_ip) if word is not None]
    nodes = [
        _node(node, numbered_address(wanted.name, number))
        for number, node in enumerate(wanted.nodes, start=1)
    ]
    return plan_hosts(nodes, reserved)


def _node(node: inventory.Node, fallback: str) -> Node:
    given = {DEFAULT_NETWORK: node.address}
    if node.public_address != node.address:
        given[_PUBLIC_NETWORK] = node.public_address
    given |= {name: address for name, address in node.networks.items() if name not in given}
    names = dict.fromkeys(word for word in given.values() if not _is_address(word))
    addresses = {network: word for network, word in given.items() if _is_address(word)}
    if DEFAULT_NETWORK not in addresses:
        addresses = {DEFAULT_NETWORK: fallback, **addresses}
    return Node(node.name, addresses, tuple(name for name in names if name != node.name))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
