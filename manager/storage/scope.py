"""Who may read and change which rows: tenants and visibility as SQL conditions."""

from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, or_, select, true, union_all

from manager.storage.models import (
    GLOBAL,
    PRIVATE,
    GroupMember,
    GroupTenant,
    Resource,
    UserTenant,
)


class Reader(Protocol):
    """Who reads: what an authenticated caller is to the database."""

    @property
    def user_id(self) -> int:
        """Return the user's key."""

    @property
    def tenant_id(self) -> int | None:
        """Return the key of the tenant that the request names."""

    @property
    def is_admin(self) -> bool:
        """Tell whether the user may do everything in every tenant."""

    @property
    def sees_private(self) -> bool:
        """Tell whether the user sees others' private resources in the tenant."""


def readable(
    model: type[Resource] | Any, reader: Reader, *, all_tenants: bool = False
) -> ColumnElement[bool]:
    """Return the condition that a row may be read by `reader`.

    `model` is a resource or another table with tenant_id, creator_id and visibility.
    """
    if all_tenants:
        return _in_all_tenants(model, reader)
    assert reader.tenant_id is not None, "the border demands a tenant"  # noqa: S101
    own = model.tenant_id == reader.tenant_id
    if not reader.sees_private:
        own = and_(own, _not_hidden(model, reader))
    return or_(own, model.visibility == GLOBAL)


def writable(model: type[Resource] | Any, reader: Reader) -> ColumnElement[bool]:
    """Return the condition that a row may be changed: it is readable, and of the own tenant."""
    own: ColumnElement[bool] = model.tenant_id == reader.tenant_id
    return own if reader.sees_private else and_(own, _not_hidden(model, reader))


def _not_hidden(model: Any, reader: Reader) -> ColumnElement[bool]:
    return or_(model.visibility != PRIVATE, model.creator_id == reader.user_id)


def _in_all_tenants(model: Any, reader: Reader) -> ColumnElement[bool]:
    if reader.is_admin:
        return true()
    direct = select(UserTenant.tenant_id).where(UserTenant.user_id == reader.user_id)
    grouped = (
        select(GroupTenant.tenant_id)
        .join(GroupMember, GroupMember.group_id == GroupTenant.group_id)
        .where(GroupMember.user_id == reader.user_id)
    )
    managed = union_all(
        direct.where(UserTenant.role == "manager"), grouped.where(GroupTenant.role == "manager")
    )
    return or_(
        and_(model.tenant_id.in_(union_all(direct, grouped)), _not_hidden(model, reader)),
        model.tenant_id.in_(managed),
        model.visibility == GLOBAL,
    )
