"""What a node must become, as far as checks ask for it, and what must be looked at for that."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from installer.bundle.catalogue import RELEASES
from installer.bundle.model import Bundle
from installer.config.formats import is_ip
from installer.config.model import Document
from installer.inventory import Inventory, Node, Role
from installer.links import Link, Listener, links, listeners
from installer.preflight.needs import (
    COMMON_FOLDERS,
    DATABASE_DATA,
    DISTRIBUTION_UNIT,
    ETCD_DATA,
    MARKS,
    ROLE_FOLDERS,
    SERVICES,
    UNITS,
)
from installer.roles.database.etcd import token_hash

_POSTGRESQL = re.compile(r"^postgresql-\d+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What config.yaml's `validations` demand of a machine."""

    memory_bytes: int = 0
    disk_bytes: int = 0
    distributions: tuple[str, ...] = ("debian",)
    versions: tuple[str, ...] = ("12", "13")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the bundle is that a node installs from."""

    release: str
    architecture: str
    has_packages: bool
    bytes_by_node: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one node must become."""

    name: str
    roles: tuple[Role, ...]
    address: str
    networks: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Listener, ...] = ()
    peers: Mapping[str, str] = field(default_factory=dict)  # the other nodes' addresses by name
    callers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)  # port: addresses
    virtual_ip: str = ""  # of load balancers
    limits: Limits = field(default_factory=Limits)
    bundle: Source | None = None
    postgresql: int | None = None  # the major version that is named; None: the release's own
    etcd_token: str = ""  # as it stands in etcd's configuration
    machine_id: str = ""  # of the machine that had this name at the last run

    def has(self, role: Role) -> bool:
        """Tell whether the node has a role."""
        return role in self.roles

    def packages(self, release: str) -> tuple[str, ...]:
        """Return the packages that its roles need of a release's sources."""
        wanted = RELEASES[release].roles if release in RELEASES else {}
        names = dict.fromkeys(name for role in self.roles for name in wanted.get(role, ()))
        if self.postgresql is None:
            return tuple(names)
        return tuple(_POSTGRESQL.sub(f"postgresql-{self.postgresql}", name) for name in names)


def wanted_nodes(
    inventory: Inventory,
    configs: Mapping[str, Document],
    bundle: Bundle | None,
    machine_ids: Mapping[str, str],
) -> dict[str, Wanted]:
    """Return what each node of an inventory must become; `configs` are their config.yaml."""
    held, needed = listeners(inventory), links(inventory)
    return {
        node.name: Wanted(
            name=node.name,
            roles=node.roles,
            address=node.address,
            networks=node.networks,
            ports=tuple(port for port in held if port.node == node.name and port.port),
            peers={peer.name: peer.address for peer in inventory.nodes if peer != node},
            callers=_callers(inventory, needed, node),
            virtual_ip=_virtual_ip(inventory, node),
            limits=_limits(configs[node.name]["validations"]),
            bundle=_source(bundle, node.roles) if bundle else None,
            postgresql=configs[node.name]["postgresql_server"]["major_version"],
            etcd_token=_etcd_token(configs[node.name], node.roles),
            machine_id=machine_ids.get(node.name, ""),
        )
        for node in inventory.nodes
    }


def _callers(
    inventory: Inventory, needed: Iterable[Link], node: Node
) -> dict[int, tuple[str, ...]]:
    """Return by port the addresses of the other nodes that connect to this one."""
    found: dict[int, list[str]] = {}
    for link in needed:
        if link.target == node.name and link.is_between_nodes and link.port:
            found.setdefault(link.port, []).append(inventory.node(link.source).address)
    return {port: tuple(dict.fromkeys(addresses)) for port, addresses in found.items()}


def _virtual_ip(inventory: Inventory, node: Node) -> str:
    shared = Role.LOADBALANCER in node.roles and inventory.load_balancer.virtual_ip
    return shared or ""


def _limits(validations: Mapping[str, Any]) -> Limits:
    return Limits(
        memory_bytes=validations["minimum_required_total_physical_memory_in_mb"] << 20,
        disk_bytes=validations["minimum_required_available_disk_space_in_gb"] << 30,
        distributions=tuple(validations["supported_distros"]),
        versions=tuple(map(str, validations["supported_distro_versions"])),
    )


def _source(bundle: Bundle, roles: Iterable[Role]) -> Source:
    return Source(
        release=bundle.lock.release,
        architecture=bundle.lock.architecture,
        has_packages=bundle.has_packages,
        bytes_by_node=bundle.size_for(map(str, roles)),
    )


def _etcd_token(config: Document, roles: Iterable[Role]) -> str:
    token = config["postgresql_server"]["cluster"]["etcd"]["cluster_token"]
    return token_hash(token) if Role.DATABASE in roles and token else ""


def facts_request(wanted: Wanted) -> dict[str, Any]:
    """Return what `engine/node/facts.py` must look at for a node."""
    roles = wanted.roles
    data = _of_roles(roles, lambda role: ROLE_FOLDERS[role])
    services = [service for service in SERVICES if set(service.roles) & set(roles)]
    return {
        "marks": [MARKS[role] for role in roles],
        "folders": [*COMMON_FOLDERS, *data],
        "ports": sorted({port.port for port in wanted.ports}),
        "names": _names(wanted),
        "packages": [service.package for service in services],
        "processes": [name for service in services for name in service.processes],
        "units": [*_of_roles(roles, lambda role: UNITS[role]), DISTRIBUTION_UNIT],
        "data": [pattern for service in services for pattern in service.data],
        "identities": (ETCD_DATA, DATABASE_DATA),
        "flushed": [ETCD_DATA, DATABASE_DATA] if wanted.has(Role.DATABASE) else [],
        "virtual_ip": wanted.virtual_ip if is_ip(wanted.virtual_ip) else "",
        "wanted_packages": {}
        if _has_packages(wanted)
        else {release: list(wanted.packages(release)) for release in RELEASES},
    }


def _of_roles(roles: Iterable[Role], of: Callable[[Role], Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(item for role in roles for item in of(role)))


def _names(wanted: Wanted) -> list[str]:
    given = [wanted.address, *wanted.networks.values(), *wanted.peers.values()]
    hosts = [name for name in given if not is_ip(name)]
    return list(dict.fromkeys(["localhost", wanted.name, *hosts]))


def _has_packages(wanted: Wanted) -> bool:
    return wanted.bundle is not None and wanted.bundle.has_packages
