"""Who has which role where: users in tenants, directly and by their groups."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, null, select, union_all
from sqlalchemy.orm import Session

from manager.services.roles import TENANT_ROLES
from manager.storage.models import GroupMember, GroupTenant, Tenant, User, UserGroup, UserTenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user's role in a tenant; `group` is who gives it, None for the user's own."""

    user: str
    tenant: str
    role: str
    group: str | None


def memberships_of_users(session: Session, ids: Collection[int]) -> dict[str, list[Membership]]:
    """Return the roles in tenants of the users with these keys, by the user's name."""
    found = defaultdict(list)
    for membership in _memberships(session, User.id.in_(ids)):
        found[membership.user].append(membership)
    return found


def memberships_of_tenants(session: Session, ids: Collection[int]) -> dict[str, list[Membership]]:
    """Return the users' roles in the tenants with these keys, by the tenant's name."""
    found = defaultdict(list)
    for membership in _memberships(session, Tenant.id.in_(ids)):
        found[membership.tenant].append(membership)
    return found


def _memberships(session: Session, which: ColumnElement[bool]) -> list[Membership]:
    both: CompoundSelect[Any] = union_all(_direct(which), _by_groups(which)).order_by(
        "user", "tenant", "group"
    )
    return [
        Membership(user=row.user, tenant=row.tenant, role=row.role, group=row.group)
        for row in session.execute(both)
    ]


def _direct(which: ColumnElement[bool]) -> Any:
    # Reporters belong to the default tenant with roles of their own; they are not its users.
    return (
        select(
            User.username.label("user"),
            Tenant.name.label("tenant"),
            UserTenant.role.label("role"),
            null().label("group"),
        )
        .select_from(UserTenant)
        .join(User, User.id == UserTenant.user_id)
        .join(Tenant, Tenant.id == UserTenant.tenant_id)
        .where(which, UserTenant.role.in_(TENANT_ROLES))
    )


def _by_groups(which: ColumnElement[bool]) -> Any:
    return (
        select(
            User.username.label("user"),
            Tenant.name.label("tenant"),
            GroupTenant.role.label("role"),
            UserGroup.name.label("group"),
        )
        .select_from(GroupMember)
        .join(User, User.id == GroupMember.user_id)
        .join(GroupTenant, GroupTenant.group_id == GroupMember.group_id)
        .join(Tenant, Tenant.id == GroupTenant.tenant_id)
        .join(UserGroup, UserGroup.id == GroupMember.group_id)
        .where(which)
    )
