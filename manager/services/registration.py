"""Enter this manager and the nodes it was told of into the database, and tell what differs."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager import EDITION, VERSION
from manager.errors import Conflict
from manager.services.device import own_device_id
from manager.services.encryption import Sealer
from manager.services.host import distribution
from manager.settings import NodeAddress, Settings
from manager.storage.models import Base, Broker, DatabaseNode, Manager
from manager.storage.upsert import upsert

Row = dict[str, Any]


def register(session: Session, settings: Settings) -> None:
    """Enter this manager, the brokers and the databases, or bring their entries up to date.

    Raises Conflict when another manager has this one's address.
    """
    _refuse_taken_address(session, settings)
    upsert(session, Manager, ("hostname",), **_manager_row(settings))
    sealer = Sealer.of(settings.security)
    _free_addresses(session, Broker.__table__, settings.rabbitmq.hosts)
    for row in _broker_rows(settings):
        sealed = sealer.seal(row["password"])
        upsert(session, Broker, ("name",), **{**row, "password": sealed})
    _free_addresses(session, DatabaseNode.__table__, settings.database.hosts)
    for row in _database_rows(settings):
        upsert(session, DatabaseNode, ("name",), **row)


def registration_problems(session: Session, settings: Settings) -> Iterator[str]:
    """Yield the entries that are absent or out of date."""
    sealer = Sealer.of(settings.security)
    managers = {manager.hostname: manager for manager in session.scalars(select(Manager))}
    brokers = {broker.name: broker for broker in session.scalars(select(Broker))}
    databases = {node.name: node for node in session.scalars(select(DatabaseNode))}
    row = _manager_row(settings)
    yield from _row_problems(f"manager {row['hostname']}", row, managers.get(row["hostname"]))
    for row in _broker_rows(settings):
        broker = brokers.get(row["name"])
        password = row.pop("password")
        yield from _row_problems(f"broker {row['name']}", row, broker)
        if broker is not None and sealer.open(broker.password) != password:
            yield _out_of_date(f"broker {row['name']}", "password")
    for row in _database_rows(settings):
        yield from _row_problems(f"database {row['name']}", row, databases.get(row["name"]))


def _manager_row(settings: Settings) -> Row:
    manager = settings.manager
    name, release = distribution()
    return {
        "hostname": manager.hostname,
        "private_ip": manager.private_ip,
        "public_ip": manager.public_ip,
        "version": VERSION,
        "edition": EDITION,
        "distribution": name,
        "distro_release": release,
        "fs_sync_node_id": own_device_id(settings),
        "networks": {"default": manager.private_ip, **manager.networks},
        "ca_cert_content": manager.ca_path.read_text(),
    }


def _broker_rows(settings: Settings) -> list[Row]:
    rabbitmq = settings.rabbitmq
    return [
        {
            "name": host.name,
            "host": host.address,
            "management_host": host.address,
            "port": rabbitmq.port,
            "username": rabbitmq.username,
            "password": rabbitmq.password,
            "networks": {"default": host.address, **host.networks},
            "is_external": rabbitmq.is_external,
            "ca_cert_content": rabbitmq.ca_path.read_text(),
        }
        for host in rabbitmq.hosts
    ]


def _database_rows(settings: Settings) -> list[Row]:
    database = settings.database
    return [
        {"name": host.name, "host": host.address, "is_external": database.is_external}
        for host in database.hosts
    ]


def _refuse_taken_address(session: Session, settings: Settings) -> None:
    manager = settings.manager
    owner = session.scalar(select(Manager).where(Manager.private_ip == manager.private_ip))
    if owner is not None and owner.hostname != manager.hostname:
        raise Conflict(
            f"manager {owner.hostname} has the address {manager.private_ip} already: "
            f"remove it from the cluster first (python -m manager forget manager {owner.hostname})"
        )


def _free_addresses(session: Session, table: Any, hosts: tuple[NodeAddress, ...]) -> None:
    """Delete entries that hold an address under another name: the node was renamed."""
    for host in hosts:
        session.execute(
            table.delete().where(table.c.host == host.address, table.c.name != host.name)
        )


def _row_problems(what: str, wanted: Mapping[str, Any], found: Base | None) -> Iterator[str]:
    if found is None:
        yield f"{what} is not registered: python -m manager bootstrap"
        return
    for name, value in wanted.items():
        if getattr(found, name) != value:
            yield _out_of_date(what, name)


def _out_of_date(what: str, name: str) -> str:
    return f"{what} is registered with another {name}: python -m manager bootstrap"
