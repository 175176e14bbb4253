"""The tables of the manager's database."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SYSTEM_ROLE = "system_role"
TENANT_ROLE = "tenant_role"


class Base(DeclarativeBase):
    """The parent of all models; names of constraints are predictable for migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
    }


class Tenant(Base):
    """A tenant: the space that resources belong to."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    rabbitmq_username: Mapped[str | None]
    rabbitmq_password: Mapped[str | None]
    rabbitmq_vhost: Mapped[str | None]


class Role(Base):
    """A role: of the system, or of a user in a tenant."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (CheckConstraint(f"type IN ('{SYSTEM_ROLE}', '{TENANT_ROLE}')", name="type"),)


class User(Base):
    """A user with one system role; tenants add roles of their own."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str | None]  # null: no login by password
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_bootstrap_admin: Mapped[bool] = mapped_column(server_default=text("false"))
    show_getting_started: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    first_login_at: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    last_failed_login_at: Mapped[datetime | None]
    failed_logins: Mapped[int] = mapped_column(server_default="0")

    tenants: Mapped[list["UserTenant"]] = relationship(back_populates="user", lazy="raise")


class UserTenant(Base):
    """A user's role in a tenant."""

    __tablename__ = "users_tenants"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    tenant_id: Mapped[int] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"))

    user: Mapped[User] = relationship(back_populates="tenants", lazy="raise")
    tenant: Mapped[Tenant] = relationship(lazy="raise")


class Token(Base):
    """An authentication token; only a hash of its secret part is stored."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[str]
    sealed_value: Mapped[str | None]  # reporters' tokens only: operators ask for them again
    description: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")


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
    password: Mapped[str]  # encrypted with the cluster's encryption key
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
