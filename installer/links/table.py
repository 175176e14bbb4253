"""Who connects to whom in a cluster, over which port, and as whom."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from installer.config.model import Document
from installer.inventory import Inventory, Node, Role
from installer.links.kinds import Kind, Named, kinds, to_postgresql, to_rabbitmq
from installer.links.listeners import (
    AGENTS_PORT,
    HTTPS_PORT,
    clients_port,
    settings_of,
)
from installer.links.model import Link, Outside, Service, Tls


class _Door(NamedTuple):
    """What those outside knock at: a role, what it speaks there, and its port."""

    role: Role
    service: Service
    port: int


def links(inventory: Inventory) -> tuple[Link, ...]:
    """Return every connection that the cluster needs, those of a node to itself included."""
    settings = settings_of(inventory)
    found = chain(
        _between_nodes(inventory, settings),
        _external_databases(inventory, settings),
        _external_brokers(inventory, settings),
        _clients(inventory, settings),
        _agents(inventory, settings),
        _controller(inventory),
    )
    return tuple(dict.fromkeys(found))


def _between_nodes(inventory: Inventory, settings: Document) -> Iterator[Link]:
    for kind in kinds(inventory, settings):
        for source in inventory.with_role(kind.source):
            for target in inventory.with_role(kind.target):
                if kind.to_itself if source is target else kind.to_others:
                    yield _link(kind, source, target)


def _link(kind: Kind, source: Node, target: Node) -> Link:
    return Link(
        source=source.name,
        source_role=kind.source,
        target=target.name,
        target_role=kind.target,
        address=target.address,
        port=kind.port,
        service=kind.service,
        transport=kind.transport,
        tls=_tls(kind, target),
    )


def _tls(kind: Kind, target: Node) -> Tls | None:
    if not kind.is_tls:
        return None
    names = {Named.ADDRESS: target.address, Named.NODE: target.name, Named.NOT: None}
    return Tls(trust=kind.trust, server_name=names[kind.named], client=kind.client)


def _external_databases(inventory: Inventory, settings: Document) -> Iterator[Link]:
    if inventory.with_role(Role.DATABASE):
        return
    kind = to_postgresql(inventory, settings)
    host = settings["postgresql_client"]["host"]
    for address in [host] if isinstance(host, str) else host:
        for source in inventory.with_role(Role.MANAGER):
            yield _external(kind, source, address, address)


def _external_brokers(inventory: Inventory, settings: Document) -> Iterator[Link]:
    if inventory.with_role(Role.QUEUE):
        return
    kind = to_rabbitmq(inventory, settings)
    for name, member in settings["rabbitmq"]["cluster_members"].items():
        for source in inventory.with_role(Role.MANAGER):
            yield _external(kind, source, name, member["networks"]["default"])


def _external(kind: Kind, source: Node, name: str, address: str) -> Link:
    return Link(
        source=source.name,
        source_role=kind.source,
        target=name,
        target_role=kind.target,
        address=address,
        port=kind.port,
        service=kind.service,
        tls=Tls(trust=kind.trust, server_name=address, client=kind.client),
        is_external=True,
    )


def _clients(inventory: Inventory, settings: Document) -> Iterator[Link]:
    """Yield the ways of command lines and browsers, to what stands in front."""
    balanced = bool(inventory.with_role(Role.LOADBALANCER))
    role = Role.LOADBALANCER if balanced else Role.MANAGER
    port = HTTPS_PORT if balanced else clients_port(settings)
    yield from _inward(inventory, Outside.CLIENT, _Door(role, Service.HTTP, 80))
    yield from _inward(inventory, Outside.CLIENT, _Door(role, Service.HTTPS, port))


def _agents(inventory: Inventory, settings: Document) -> Iterator[Link]:
    """Yield the ways of agents on application hosts: they know all managers and brokers."""
    for door in (
        _Door(Role.LOADBALANCER, Service.HTTPS, AGENTS_PORT),
        _Door(Role.MANAGER, Service.HTTPS, AGENTS_PORT),
        _Door(Role.QUEUE, Service.RABBITMQ, settings["agent"]["broker_port"]),
    ):
        yield from _inward(inventory, Outside.AGENT, door)


def _inward(inventory: Inventory, source: Outside, door: _Door) -> Iterator[Link]:
    for node in inventory.with_role(door.role):
        is_tls = door.service is not Service.HTTP
        yield Link(
            source=source,
            source_role=None,
            target=node.name,
            target_role=door.role,
            address=node.public_address if source is Outside.CLIENT else node.address,
            port=door.port,
            service=door.service,
            tls=Tls(trust=None, server_name=node.public_address) if is_tls else None,
        )


def _controller(inventory: Inventory) -> Iterator[Link]:
    for node in inventory.nodes:
        yield Link(
            source=Outside.CONTROLLER,
            source_role=None,
            target=node.name,
            target_role=None,
            address=node.address,
            port=node.ssh.port,
            service=Service.SSH,
        )
