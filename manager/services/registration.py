"""Enter this manager and the nodes it was told of into the database."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager import EDITION, VERSION
from manager.errors import Conflict
from manager.services.device import device_id
from manager.services.encryption import Sealer
from manager.services.host import distribution
from manager.settings import NodeAddress, Settings
from manager.storage.models import Broker, DatabaseNode, Manager
from manager.storage.upsert import upsert


def register_manager(session: Session, settings: Settings) -> None:
    """Enter this manager, or bring its entry up to date."""
    manager = settings.manager
    owner = session.scalar(select(Manager).where(Manager.private_ip == manager.private_ip))
    if owner is not None and owner.hostname != manager.hostname:
        raise Conflict(
            f"manager {owner.hostname} has the address {manager.private_ip} already: "
            f"remove it from the cluster first (python -m manager forget manager {owner.hostname})"
        )
    name, release = distribution()
    upsert(
        session,
        Manager,
        ("hostname",),
        hostname=manager.hostname,
        private_ip=manager.private_ip,
        public_ip=manager.public_ip,
        version=VERSION,
        edition=EDITION,
        distribution=name,
        distro_release=release,
        fs_sync_node_id=own_device_id(settings),
        networks={"default": manager.private_ip, **manager.networks},
        ca_cert_content=manager.ca_path.read_text(),
    )


def own_device_id(settings: Settings) -> str | None:
    """Return this manager's syncthing device ID, or None when files are not replicated."""
    if not settings.file_sync.enabled:
        return None
    return device_id(settings.file_sync.home / "cert.pem")


def register_brokers(session: Session, settings: Settings) -> None:
    """Enter the brokers of manager.yaml, or bring their entries up to date."""
    rabbitmq = settings.rabbitmq
    sealer = Sealer(settings.security.encryption_key)
    _free_addresses(session, Broker.__table__, rabbitmq.hosts)
    for name, host, networks in _registrations(rabbitmq.hosts):
        upsert(
            session,
            Broker,
            ("name",),
            name=name,
            host=host,
            management_host=host,
            port=rabbitmq.port,
            username=rabbitmq.username,
            password=sealer.seal(rabbitmq.password),
            networks=networks,
            is_external=rabbitmq.is_external,
            ca_cert_content=rabbitmq.ca_path.read_text(),
        )


def register_databases(session: Session, settings: Settings) -> None:
    """Enter the database nodes of manager.yaml, or bring their entries up to date."""
    _free_addresses(session, DatabaseNode.__table__, settings.database.hosts)
    for name, host, _networks in _registrations(settings.database.hosts):
        upsert(
            session,
            DatabaseNode,
            ("name",),
            name=name,
            host=host,
            is_external=settings.database.is_external,
        )


def _registrations(hosts: tuple[NodeAddress, ...]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for host in hosts:
        yield host.name, host.address, {"default": host.address, **host.networks}


def _free_addresses(session: Session, table: Any, hosts: tuple[NodeAddress, ...]) -> None:
    """Delete entries that hold an address under another name: the node was renamed."""
    for host in hosts:
        session.execute(
            table.delete().where(table.c.host == host.address, table.c.name != host.name)
        )
