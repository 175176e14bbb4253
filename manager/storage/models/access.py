"""Tenants, users and their groups, roles and their permissions, tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, func, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from manager.storage.models.base import SEALED, Base

SYSTEM_ROLE = "system_role"
TENANT_ROLE = "tenant_role"


class Tenant(Base):
    """A tenant: the space that resources belong to."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    rabbitmq_username: Mapped[str | None]
    rabbitmq_password: Mapped[str | None] = mapped_column(info={SEALED: True})
    rabbitmq_vhost: Mapped[str | None]


class Role(Base):
    """A role: of the system, or of a user in a tenant."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")

    __table_args__ = (CheckConstraint(f"type IN ('{SYSTEM_ROLE}', '{TENANT_ROLE}')", name="type"),)


class Permission(Base):
    """That a role may do something."""

    __tablename__ = "permissions"

    role: Mapped[str] = mapped_column(
        ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True)


class PermissionState(Base):
    """What the permissions' caches compare; `seeded` are the names that bootstrapping gave.

    Every change of a permission counts `version` up in the same transaction.
    """

    __tablename__ = "permission_state"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
    seeded: Mapped[list[Any]]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


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


class UserGroup(Base):
    """A group of users, with a system role; tenants add roles of their own."""

    __tablename__ = "user_groups"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    ldap_dn: Mapped[str | None] = mapped_column(unique=True)
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"))


class GroupMember(Base):
    """That a user belongs to a group."""

    __tablename__ = "group_members"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    group_id: Mapped[int] = mapped_column(
        ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class GroupTenant(Base):
    """The role of a group's members in a tenant."""

    __tablename__ = "group_tenants"

    group_id: Mapped[int] = mapped_column(
        ForeignKey("user_groups.id", ondelete="CASCADE"), primary_key=True
    )
    tenant_id: Mapped[int] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str] = mapped_column(ForeignKey("roles.name"))


class Token(Base):
    """An authentication token; only a hash of its secret part is stored."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[str]
    # reporters' tokens only: operators ask for them again
    sealed_value: Mapped[str | None] = mapped_column(info={SEALED: True})
    description: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(lazy="raise")
