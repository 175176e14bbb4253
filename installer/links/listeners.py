"""Which port each service of a node holds, where, and with which certificate."""

from collections.abc import Callable, Iterator, Mapping

from installer.config.formats import is_ip
from installer.config.merge import with_defaults
from installer.config.model import Document
from installer.config.schema import config_schema
from installer.config.source import KeyPath, value_at
from installer.inventory import Inventory, Node, Role
from installer.links.model import (
    EVERY_ADDRESS,
    LOOPBACK,
    Certificate,
    Listener,
    Service,
    Transport,
)

HTTPS_PORT, AGENTS_PORT = 443, 53333
SYNCTHING_PORT = 22000
POSTGRESQL_PORT = 5432
RABBITMQ_PORT = 5671

DATABASE = Certificate(("postgresql_server",))
QUEUE = Certificate(("rabbitmq",))
INTERNAL = Certificate(("ssl_inputs",), "internal_")
EXTERNAL = Certificate(("ssl_inputs",), "external_")
BALANCER = Certificate(("loadbalancer",))
DATABASE_CA = ("postgresql_server", "ca_path")
QUEUE_CA = ("rabbitmq", "ca_path")
MANAGER_CA = ("ssl_inputs", "ca_cert_path")
EXTERNAL_CA = ("ssl_inputs", "external_ca_cert_path")
BALANCER_CA = ("loadbalancer", "ca_path")
# whom clients of a certificate trust; the first that config.yaml names
VERIFIED_BY: Mapping[Certificate, tuple[KeyPath, ...]] = {
    DATABASE: (DATABASE_CA,),
    QUEUE: (QUEUE_CA,),
    INTERNAL: (MANAGER_CA,),
    EXTERNAL: (EXTERNAL_CA, MANAGER_CA),
    BALANCER: (BALANCER_CA,),
}


def listeners(inventory: Inventory) -> tuple[Listener, ...]:
    """Return every port that the cluster's services hold, those on loopback included."""
    settings = settings_of(inventory)
    return tuple(
        listener
        for node in inventory.nodes
        for role in node.roles
        for listener in _OF_ROLE[role](inventory, node, settings)
    )


def settings_of(inventory: Inventory) -> Document:
    """Return the cluster's settings with the defaults of config.yaml."""
    filled: Document = with_defaults(inventory.settings, config_schema())
    return filled


def clients_port(settings: Document) -> int:
    """Return the port of managers for clients."""
    return settings["nginx"]["port"] or HTTPS_PORT


def internal_port(settings: Document) -> int:
    """Return the port at which managers ask each other for files."""
    manager = settings["manager"]
    ports = (*manager["additional_internal_rest_listeners"], manager["internal_rest_port"])
    clients = clients_port(settings)
    return next((port for port in ports if port != clients), clients)


def web_ports(settings: Document) -> tuple[int, ...]:
    """Return the ports of a manager's web server, that for clients first."""
    manager = settings["manager"]
    further = (manager["internal_rest_port"], *manager["additional_internal_rest_listeners"])
    return tuple(dict.fromkeys((clients_port(settings), *further)))


def _database(inventory: Inventory, node: Node, settings: Document) -> Iterator[Listener]:
    own = node.address if is_ip(node.address) else EVERY_ADDRESS  # etcd refuses names
    remote = value_at(inventory.settings, ("postgresql_server", "enable_remote_connections"))
    is_reached = remote is not False or len(inventory.with_role(Role.DATABASE)) > 1
    for service, port, bind, demands in (
        (Service.ETCD, 2379, own, True),
        (Service.ETCD_PEER, 2380, own, True),
        (Service.PATRONI, 8008, own, True),
        (Service.POSTGRESQL, POSTGRESQL_PORT, EVERY_ADDRESS if is_reached else LOOPBACK, False),
    ):
        yield Listener(
            node=node.name,
            role=Role.DATABASE,
            service=service,
            port=port,
            bind=bind,
            certificate=DATABASE,
            trust=DATABASE_CA,
            demands_certificate=demands,
        )


def _queue(_: Inventory, node: Node, settings: Document) -> Iterator[Listener]:
    yield Listener(
        node=node.name, role=Role.QUEUE, service=Service.EPMD, port=4369, bind=EVERY_ADDRESS
    )
    for service, port, trust, demands in (
        (Service.INTER_BROKER, 25672, QUEUE_CA, True),
        (Service.RABBITMQ, RABBITMQ_PORT, QUEUE_CA, False),
        (Service.BROKER_MANAGEMENT, 15671, None, False),
    ):
        yield Listener(
            node=node.name,
            role=Role.QUEUE,
            service=service,
            port=port,
            bind=EVERY_ADDRESS,
            certificate=QUEUE,
            trust=trust,
            demands_certificate=demands,
        )


def _manager(_: Inventory, node: Node, settings: Document) -> Iterator[Listener]:
    def held(service: Service, port: int, bind: str, shown: Certificate | None = None) -> Listener:
        return Listener(
            node=node.name,
            role=Role.MANAGER,
            service=service,
            port=port,
            bind=bind,
            certificate=shown,
        )

    clients = clients_port(settings)
    has_external = bool(settings["ssl_inputs"]["external_cert_path"])
    yield held(Service.HTTP, 80, EVERY_ADDRESS)
    for port in web_ports(settings):
        shown = EXTERNAL if has_external and port == clients else INTERNAL
        yield held(Service.HTTPS, port, EVERY_ADDRESS, shown)
    yield held(Service.REST, settings["restservice"]["port"], LOOPBACK)
    if settings["manager"]["cluster_filesystem_replication"]:
        yield held(Service.SYNCTHING, SYNCTHING_PORT, node.address, INTERNAL)
        yield held(Service.SYNCTHING_API, 8384, LOOPBACK)


def _balancer(inventory: Inventory, node: Node, _: Document) -> Iterator[Listener]:
    def held(service: Service, port: int, shown: Certificate | None = None) -> Listener:
        return Listener(
            node=node.name,
            role=Role.LOADBALANCER,
            service=service,
            port=port,
            bind=EVERY_ADDRESS,
            certificate=shown,
        )

    yield held(Service.HTTP, 80)
    for port in (HTTPS_PORT, AGENTS_PORT):
        yield held(Service.HTTPS, port, BALANCER)
    if inventory.load_balancer.virtual_ip:
        yield Listener(
            node=node.name,
            role=Role.LOADBALANCER,
            service=Service.VRRP,
            port=0,
            bind=node.address,
            transport=Transport.VRRP,
        )


_OF_ROLE: Mapping[Role, Callable[[Inventory, Node, Document], Iterator[Listener]]] = {
    Role.DATABASE: _database,
    Role.QUEUE: _queue,
    Role.MANAGER: _manager,
    Role.LOADBALANCER: _balancer,
}
