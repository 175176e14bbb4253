"""Give nodes addresses in further networks: agents there reach managers and brokers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from installer.actions.install import Installed, InstallRequest, install_cluster
from installer.actions.inventory_file import change_inventory
from installer.actions.options import RunOptions
from installer.actions.running import open_running
from installer.actions.under_way import hold_cluster
from installer.config.edit import NotEditable
from installer.config.formats import is_ip
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.engine.target import target_of
from installer.errors import ConfigError, NodeUnreachable, Problem, Refused
from installer.expand.check import load_cluster
from installer.inventory import Inventory, Role
from installer.report import Report

_CONCERNED = {Role.QUEUE, Role.MANAGER, Role.LOADBALANCER}
RESERVED = ("default", "external")
ADDRESSES = "ip -json address show"


@dataclass(frozen=True, slots=True)
class NetworkAddress:
    """One node's address in one network."""

    network: str
    node: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworksAdded:
    """What the inventory says since, and the run that brought it to the nodes."""

    added: tuple[NetworkAddress, ...]  # none where an earlier call wrote them
    installed: Installed


def add_networks(
    path: Path, wishes: Sequence[NetworkAddress], report: Report, *, elsewhere: bool = False
) -> NetworksAdded:
    """Write addresses into the inventory and bring certificates, services and records to them.

    Called again after a kill it goes on. Raises ConfigError or Refused before any change; with
    `elsewhere` addresses need not be on the hosts: a router translates them.
    """
    inventory = load_cluster(path)
    if problems := tuple(_wish_problems(inventory, wishes)):
        raise ConfigError(*problems)
    with hold_cluster(inventory, "cluster add-networks"):
        open_running(inventory)
        new = tuple(wish for wish in wishes if not _is_known(inventory, wish))
        if not elsewhere:
            _demand_on_hosts(inventory, new)
        if new:
            _write(inventory, new)
    title = f"Adding networks to the cluster {inventory.name}"
    request = InstallRequest(options=RunOptions(title=title))
    return NetworksAdded(added=new, installed=install_cluster(path, request, report))


def _is_known(inventory: Inventory, wish: NetworkAddress) -> bool:
    return inventory.node(wish.node).networks.get(wish.network) == wish.address


def _wish_problems(inventory: Inventory, wishes: Sequence[NetworkAddress]) -> Iterator[Problem]:
    nodes = {node.name: node for node in inventory.nodes}
    seen: set[tuple[str, str]] = set()
    for wish in wishes:
        where = f"{wish.network}/{wish.node}"
        node = nodes.get(wish.node)
        if node is None:
            remedy = f"name one of: {', '.join(nodes)}"
            yield Problem(where=where, what="no node has this name", remedy=remedy)
            continue
        known = node.networks.get(wish.network, wish.address)
        if wish.network in RESERVED:
            what = f"{wish.network} is the name of the node's own address"
            yield Problem(where=where, what=what, remedy="choose another name for the network")
        if not _CONCERNED & {*node.roles}:
            what = "no agent talks to this node: it is neither manager, broker nor load balancer"
            yield Problem(where=where, what=what, remedy="leave it out")
        if known != wish.address:
            what = f"it has the address {known} there already"
            remedy = "change it in the inventory, then run `cluster install`"
            yield Problem(where=where, what=what, remedy=remedy)
        if owner := _owner(inventory, wish):
            what, remedy = f"{owner} has this address", "give each node an address of its own"
            yield Problem(where=where, what=what, remedy=remedy)
        if (wish.network, wish.node) in seen:
            yield Problem(where=where, what="it is named twice", remedy="name it once")
        seen.add((wish.network, wish.node))


def _owner(inventory: Inventory, wish: NetworkAddress) -> str | None:
    """Return another node that has the address, or this one where it is its in another network."""
    for node in inventory.nodes:
        names = {"its own address": node.address, **node.networks}
        for name, address in names.items():
            if address == wish.address and (node.name, name) != (wish.node, wish.network):
                return f"{node.name} ({name})"
    return None


def _demand_on_hosts(inventory: Inventory, wishes: Sequence[NetworkAddress]) -> None:
    """Raise Refused when a host does not have an address that it is to get clients on."""
    names = dict.fromkeys(wish.node for wish in wishes)
    with Engine([target_of(inventory.node(name)) for name in names]) as engine:
        if unreachable := engine.connect():
            raise NodeUnreachable(*unreachable.values())
        outcomes = engine.on_each(names, addresses_on)
    if failed := [outcome.error for outcome in outcomes.values() if outcome.error]:
        raise NodeUnreachable(*failed)
    held = {name: outcome.value or frozenset() for name, outcome in outcomes.items()}
    lacking = [w for w in wishes if is_ip(w.address) and w.address not in held[w.node]]
    if lacking:
        raise Refused(*(absent_problem(wish) for wish in lacking))


def addresses_on(session: Session) -> frozenset[str]:
    """Return the addresses that a host has. One command."""
    links = json.loads(session.run(ADDRESSES).stdout or "[]")
    return frozenset(info["local"] for link in links for info in link.get("addr_info", ()))


def absent_problem(wish: NetworkAddress) -> Problem:
    """Return why an address that its host does not have is refused."""
    return Problem(
        where=wish.node,
        what=f"it does not have the address {wish.address} of the network {wish.network}",
        remedy=f"give it to an interface there (`ip -brief address`), or say --elsewhere when a "
        f"router leads {wish.address} to this host",
        code="network-address-absent",
    )


def _write(inventory: Inventory, wishes: Sequence[NetworkAddress]) -> None:
    places = [node.name for node in inventory.nodes]
    values: dict[tuple[str | int, ...], str] = {
        ("nodes", places.index(wish.node), "networks", wish.network): wish.address
        for wish in wishes
    }
    try:
        change_inventory(inventory, values)
    except NotEditable as error:
        said = "; ".join(f"{w.node}: networks: {{{w.network}: {w.address}}}" for w in wishes)
        raise not_editable(f"{inventory.path}: {error}", said, "cluster install") from error


def not_editable(where: str, said: str, then: str) -> Refused:
    """Return why a file is not written: a person must do it."""
    return Refused(
        Problem(
            where=where,
            what="the file is written in a way that cannot be edited",
            remedy=f"write it yourself ({said}), then run `{then}`",
            code="inventory-not-editable",
        )
    )
