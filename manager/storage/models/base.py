"""The parent of all tables, and what resources of a tenant have in common."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

PRIVATE, TENANT_WIDE, GLOBAL = "private", "tenant", "global"
VISIBILITIES = (PRIVATE, TENANT_WIDE, GLOBAL)
SEALED = "sealed"  # marks the columns that are encrypted with the cluster's encryption key


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
        list[Any]: JSONB(none_as_null=True),
    }


class Resource(Base):
    """What belongs to a tenant: `id` is the user's name for it, `key` joins tables.

    `visibility` tells who may read it: its creator and the tenant's managers (private), everyone
    in the tenant, or every tenant (global). Only its own tenant may change it.
    """

    __abstract__ = True

    key: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    id: Mapped[str]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    creator_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    visibility: Mapped[str] = mapped_column(server_default=TENANT_WIDE)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        """Return the constraints that every resource has, and those of its own."""
        return (
            *cls.identity(),
            CheckConstraint(f"visibility IN {VISIBILITIES}", name="visibility"),
            *cls.constraints(),
        )

    @classmethod
    def identity(cls) -> tuple[Any, ...]:
        """Return what makes `id` unique: the tenant, unless the resource is a part of another."""
        return (UniqueConstraint("tenant_id", "id"),)

    @classmethod
    def constraints(cls) -> tuple[Any, ...]:
        """Return further constraints and indexes of the table."""
        return ()
