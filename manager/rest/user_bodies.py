"""Users, groups and tenants as clients see them: counts, or with `_get_data` names and roles."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from manager.rest.arguments import flag_argument
from manager.rest.context import session
from manager.rest.envelope import Body, timestamp
from manager.services.authentication import is_locked
from manager.services.memberships import Membership, memberships_of_tenants, memberships_of_users
from manager.services.user_groups import (
    group_roles_in_tenants,
    groups_in_tenants,
    groups_of,
    members,
)
from manager.storage.models import Tenant, User, UserGroup


def user_bodies(users: Sequence[User]) -> list[Body]:
    """Return what clients see of users."""
    with_data = flag_argument("_get_data")
    ids = [user.id for user in users]
    roles, groups = memberships_of_users(session(), ids), groups_of(session(), ids)
    return [
        _user(user, roles[user.username], groups[user.id], with_data=with_data) for user in users
    ]


def _user(
    user: User, roles: list[Membership], groups: list[tuple[str, str]], *, with_data: bool
) -> Body:
    tenants = roles_by(roles, "tenant")
    system_roles = defaultdict(list)
    for name, role in groups:
        system_roles[role].append(name)
    return {
        "username": user.username,
        "tenants": tenants if with_data else len(tenants),
        "tenant_roles": _tenant_roles(roles) if with_data else None,
        "groups": [name for name, _ in groups] if with_data else len(groups),
        "role": user.role,
        "group_system_roles": dict(system_roles),
        "active": user.active,
        "created_at": timestamp(user.created_at),
        "first_login_at": timestamp(user.first_login_at),
        "last_login_at": timestamp(user.last_login_at),
        "is_locked": is_locked(session(), user),
        "show_getting_started": user.show_getting_started,
        "password_hash": None,
    }


def roles_by(memberships: Iterable[Membership], key: str) -> dict[str, Body]:
    """Return the direct role, and all roles, by tenant or by user."""
    found: dict[str, Body] = {}
    for membership in memberships:
        entry = found.setdefault(getattr(membership, key), {"tenant-role": None, "roles": []})
        if membership.group is None:
            entry["tenant-role"] = membership.role
        if membership.role not in entry["roles"]:
            entry["roles"].append(membership.role)
    return found


def _tenant_roles(memberships: Iterable[Membership]) -> Body:
    direct: dict[str, str] = {}
    by_groups: dict[str, dict[str, list[str]]] = {}
    for membership in memberships:
        if membership.group is None:
            direct[membership.tenant] = membership.role
        else:
            roles = by_groups.setdefault(membership.tenant, {})
            roles.setdefault(membership.role, []).append(membership.group)
    return {"direct": direct, "groups": by_groups}


def group_bodies(groups: Sequence[UserGroup]) -> list[Body]:
    """Return what clients see of groups."""
    with_data = flag_argument("_get_data")
    ids = [group.id for group in groups]
    users, tenants = members(session(), ids), group_roles_in_tenants(session(), ids)
    return [
        {
            "name": group.name,
            "ldap_dn": group.ldap_dn,
            "tenants": tenants[group.id] if with_data else len(tenants[group.id]),
            "users": users[group.id] if with_data else len(users[group.id]),
            "role": group.role,
        }
        for group in groups
    ]


def tenant_bodies(tenants: Sequence[Tenant], *, with_data: bool) -> list[Body]:
    """Return what clients see of tenants, without their brokers' credentials."""
    ids = [tenant.id for tenant in tenants]
    roles, groups = memberships_of_tenants(session(), ids), groups_in_tenants(session(), ids)
    return [
        _tenant(tenant, roles[tenant.name], groups[tenant.id], with_data=with_data)
        for tenant in tenants
    ]


def _tenant(
    tenant: Tenant, roles: list[Membership], groups: dict[str, str], *, with_data: bool
) -> Body:
    users = roles_by(roles, "user")
    return {
        "name": tenant.name,
        "groups": groups if with_data else len(groups),
        "users": users if with_data else len(users),
        "user_roles": _user_roles(roles, groups) if with_data else None,
        "rabbitmq_username": None,
        "rabbitmq_password": None,
        "rabbitmq_vhost": None,
    }


def _user_roles(memberships: Iterable[Membership], groups: dict[str, str]) -> Body:
    direct = {entry.user: entry.role for entry in memberships if entry.group is None}
    by_group: dict[str, dict[str, Any]] = {
        name: {"role": role, "users": []} for name, role in groups.items()
    }
    for membership in memberships:
        if membership.group is not None:
            by_group[membership.group]["users"].append(membership.user)
    return {"direct": direct, "groups": by_group}
