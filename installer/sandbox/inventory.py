"""The nodes of an inventory file, as far as a sandbox needs them."""

from pathlib import Path
from typing import Any

import yaml

from installer.errors import ConfigError, Problem
from installer.sandbox.plan import DEFAULT_NETWORK, Node, Plan, plan_hosts


def plan_of_inventory(path: Path) -> Plan:
    """Return the hosts and networks that an inventory describes; raises ConfigError."""
    document = _read(path)
    nodes = document.get("nodes")
    if not isinstance(nodes, list) or not nodes:
        raise _refuse(path, "nodes", "is not a list of nodes", "list at least one node")
    balancer = document.get("load_balancer") or {}
    reserved = [str(value) for value in balancer.values()] if isinstance(balancer, dict) else []
    return plan_hosts([_node(path, index, node) for index, node in enumerate(nodes)], reserved)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise _refuse(path, "file", str(error), "give the path of an inventory") from error
    if not isinstance(document, dict):
        raise _refuse(path, "file", "is not a mapping", "see `cfy_manager validate -i`")
    return document


def _node(path: Path, index: int, node: object) -> Node:
    if not isinstance(node, dict) or not {"name", "address"} <= node.keys():
        raise _refuse(path, f"nodes[{index}]", "has no name or no address", "write both")
    further = node.get("networks") or {}
    if not isinstance(further, dict):
        raise _refuse(path, f"nodes[{index}].networks", "is not a mapping", "write name: address")
    addresses = {DEFAULT_NETWORK: str(node["address"])}
    addresses |= {
        str(network): str(address)
        for network, address in further.items()
        if network != DEFAULT_NETWORK
    }
    return Node(str(node["name"]), addresses)


def _refuse(path: Path, where: str, what: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(where=where, what=what, remedy=remedy, file=str(path)))
