"""The cluster: its settings, its nodes and what these report."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Identity, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from manager.storage.models.access import User
from manager.storage.models.base import SEALED, Base


class ConfigEntry(Base):
    """A setting that operators change at run time; `schema` is the JSON Schema of its value."""

    __tablename__ = "config"

    scope: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    schema: Mapped[dict[str, Any] | None]
    is_editable: Mapped[bool] = mapped_column(server_default=text("true"))
    admin_only: Mapped[bool] = mapped_column(server_default=text("false"))
    updated_at: Mapped[datetime | None]
    updater_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    updater: Mapped[User | None] = relationship(lazy="raise")


class Manager(Base):
    """A manager of the cluster, identified by its host name."""

    __tablename__ = "managers"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    hostname: Mapped[str] = mapped_column(unique=True)
    private_ip: Mapped[str] = mapped_column(unique=True)
    public_ip: Mapped[str]
    version: Mapped[str]
    edition: Mapped[str]
    distribution: Mapped[str]
    distro_release: Mapped[str]
    fs_sync_node_id: Mapped[str | None]
    networks: Mapped[dict[str, Any]]
    ca_cert_content: Mapped[str | None]
    last_seen: Mapped[datetime] = mapped_column(server_default=func.now())


class Broker(Base):
    """A RabbitMQ node, and the user that managers are to it."""

    __tablename__ = "rabbitmq_brokers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(unique=True)
    management_host: Mapped[str]
    port: Mapped[int]
    username: Mapped[str]
    password: Mapped[str] = mapped_column(info={SEALED: True})
    params: Mapped[dict[str, Any] | None]
    networks: Mapped[dict[str, Any]]
    is_external: Mapped[bool]
    ca_cert_content: Mapped[str | None]


class DatabaseNode(Base):
    """A PostgreSQL node of the database cluster."""

    __tablename__ = "db_nodes"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(unique=True)
    is_external: Mapped[bool]


class ProviderContext(Base):
    """The one provider context of the cluster."""

    __tablename__ = "provider_context"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    context: Mapped[dict[str, Any]]


class MaintenanceMode(Base):
    """The cluster's maintenance mode: one row while it is on or coming."""

    __tablename__ = "maintenance_mode"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    status: Mapped[str]
    requested_at: Mapped[datetime]
    activated_at: Mapped[datetime | None]
    requested_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class NodeReport(Base):
    """The last status report of a node; `received_at` is the database's clock."""

    __tablename__ = "node_reports"

    node_type: Mapped[str] = mapped_column(primary_key=True)
    private_ip: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str]
    node_name: Mapped[str]
    reported_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    reporting_freq_s: Mapped[int]
    report: Mapped[dict[str, Any]]

    __table_args__ = (
        CheckConstraint("node_type IN ('manager', 'db', 'broker')", name="node_type"),
    )


class FolderWrite(Base):
    """Which manager wrote into a folder of the file tree, and when it last did.

    A manager that lacks a file learns here whom to ask. `hostname` outlives the manager's row.
    """

    __tablename__ = "folder_writes"

    folder: Mapped[str] = mapped_column(primary_key=True)
    hostname: Mapped[str] = mapped_column(primary_key=True)
    written_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
