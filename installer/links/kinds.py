"""The kinds of links between roles, as the roles' templates and programs make them."""

from dataclasses import dataclass
from enum import Enum, auto

from installer.config.model import Document
from installer.config.source import KeyPath, value_at
from installer.inventory import Inventory, Role
from installer.links.listeners import (
    AGENTS_PORT,
    DATABASE,
    DATABASE_CA,
    HTTPS_PORT,
    INTERNAL,
    MANAGER_CA,
    QUEUE,
    QUEUE_CA,
    RABBITMQ_PORT,
    SYNCTHING_PORT,
    internal_port,
)
from installer.links.model import Certificate, Service, Transport

_PATRONI_USER = Certificate(("postgresql_server", "cluster", "etcd"), "patroni_")
_REPLICATOR = Certificate(("postgresql_server", "cluster", "postgres"), "replicator_")
_APPLICATION = Certificate(("ssl_inputs",), "postgresql_client_")
_CLIENT_CA = ("postgresql_client", "ca_path")
_REPORTER_CA = ("status_reporter", "ca_path")
_BALANCER_CA = ("loadbalancer", "ca_path")


class Named(Enum):
    """Which name a client expects in the certificate."""

    ADDRESS = auto()
    NODE = auto()
    NOT = auto()  # the certificate itself is pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A link from each node of a role to each node of another one."""

    source: Role
    target: Role
    service: Service
    port: int
    to_itself: bool = False
    to_others: bool = True
    transport: Transport = Transport.TCP
    is_tls: bool = True
    trust: KeyPath | None = None
    client: Certificate | None = None
    named: Named = Named.ADDRESS


def kinds(inventory: Inventory, settings: Document) -> tuple[Kind, ...]:
    """Return the kinds of links that a cluster with these settings has."""
    file_sync = (_SYNCTHING,) if settings["manager"]["cluster_filesystem_replication"] else ()
    shared = (_VRRP,) if inventory.load_balancer.virtual_ip else ()
    return (
        *_DATABASE,
        *_QUEUE,
        to_postgresql(inventory, settings),
        to_rabbitmq(inventory, settings),
        *_REPORTS,
        _file_requests(settings),
        *file_sync,
        *_BALANCED,
        *shared,
    )


_DB, _MQ, _MGR, _LB = Role.DATABASE, Role.QUEUE, Role.MANAGER, Role.LOADBALANCER

_DATABASE = (
    # Patroni asks any member of etcd, its own first
    Kind(
        source=_DB,
        target=_DB,
        service=Service.ETCD,
        port=2379,
        to_itself=True,
        trust=DATABASE_CA,
        client=_PATRONI_USER,
    ),
    Kind(
        source=_DB,
        target=_DB,
        service=Service.ETCD_PEER,
        port=2380,
        trust=DATABASE_CA,
        client=DATABASE,
    ),
    Kind(
        source=_DB,
        target=_DB,
        service=Service.POSTGRESQL,
        port=5432,
        trust=DATABASE_CA,
        client=_REPLICATOR,
    ),
    # the race for the leadership, and the status reporter of the node itself
    Kind(
        source=_DB,
        target=_DB,
        service=Service.PATRONI,
        port=8008,
        to_itself=True,
        trust=DATABASE_CA,
        client=DATABASE,
    ),
)
_QUEUE = (
    Kind(source=_MQ, target=_MQ, service=Service.EPMD, port=4369, to_itself=True, is_tls=False),
    Kind(
        source=_MQ,
        target=_MQ,
        service=Service.INTER_BROKER,
        port=25672,
        to_itself=True,  # rabbitmqctl
        trust=QUEUE_CA,
        client=QUEUE,
        named=Named.NODE,
    ),
    Kind(
        source=_MQ,
        target=_MQ,
        service=Service.BROKER_MANAGEMENT,
        port=15671,
        to_itself=True,
        to_others=False,
        trust=QUEUE_CA,
        client=QUEUE,
    ),
)
_REPORTS = tuple(
    Kind(
        source=role,
        target=_MGR,
        service=Service.HTTPS,
        port=AGENTS_PORT,
        to_itself=True,
        trust=_REPORTER_CA,
    )
    for role in (_DB, _MQ, _MGR)
)
_SYNCTHING = Kind(
    source=_MGR,
    target=_MGR,
    service=Service.SYNCTHING,
    port=SYNCTHING_PORT,
    client=INTERNAL,
    named=Named.NOT,
)
_BALANCED = tuple(
    Kind(
        source=_LB,
        target=_MGR,
        service=Service.HTTPS,
        port=port,
        trust=_BALANCER_CA,
        named=Named.NODE,
    )
    for port in (HTTPS_PORT, AGENTS_PORT)
)
_VRRP = Kind(
    source=_LB,
    target=_LB,
    service=Service.VRRP,
    port=0,
    transport=Transport.VRRP,
    is_tls=False,
)


def to_postgresql(inventory: Inventory, settings: Document) -> Kind:
    """Return how managers reach the database, ours or an external one."""
    path = ("postgresql_client", "ssl_client_verification")
    ours = bool(inventory.with_role(_DB))
    given = value_at(inventory.settings, path)
    shows_certificate = given if given is not None else ours
    return Kind(
        source=_MGR,
        target=_DB,
        service=Service.POSTGRESQL,
        port=settings["postgresql_client"]["port"],
        to_itself=True,
        trust=_CLIENT_CA,
        client=_APPLICATION if shows_certificate else None,
    )


def to_rabbitmq(inventory: Inventory, settings: Document) -> Kind:
    """Return how managers reach the brokers, ours or external ones."""
    has_own_ca = inventory.with_role(_MQ) or settings["rabbitmq"]["ca_path"]
    return Kind(
        source=_MGR,
        target=_MQ,
        service=Service.RABBITMQ,
        port=RABBITMQ_PORT if inventory.with_role(_MQ) else settings["rabbitmq"]["port"],
        to_itself=True,
        trust=QUEUE_CA if has_own_ca else MANAGER_CA,
    )


def _file_requests(settings: Document) -> Kind:
    return Kind(
        source=_MGR,
        target=_MGR,
        service=Service.HTTPS,
        port=internal_port(settings),
        trust=MANAGER_CA,
    )
