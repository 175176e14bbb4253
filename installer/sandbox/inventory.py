"""The hosts that an inventory file asks for."""

from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

from installer import inventory
from installer.sandbox.plan import DEFAULT_NETWORK, Node, Plan, plan_hosts

_PUBLIC_NETWORK = "public"


def plan_of_inventory(path: Path) -> Plan:
    """Return the hosts and networks of an inventory; raises ConfigError with all its problems."""
    wanted = inventory.load_inventory(path)
    balancer = wanted.load_balancer
    # the controller must not sit on the address that the load balancers will share
    reserved = [word for word in (balancer.address, balancer.virtual_ip) if word is not None]
    return plan_hosts([_node(node) for node in wanted.nodes], reserved)


def _node(node: inventory.Node) -> Node:
    addresses = {DEFAULT_NETWORK: node.address}
    if node.public_address != node.address and _is_address(node.public_address):
        addresses[_PUBLIC_NETWORK] = node.public_address
    further = {name: address for name, address in node.networks.items() if name not in addresses}
    return Node(node.name, addresses | further)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
