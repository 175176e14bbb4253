"""Roles, and which of them may do what."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from manager.services.permission_defaults import default_permissions
from manager.services.roles import DEFAULT, REPORTER_ROLES, SYS_ADMIN, TENANT_ROLES

__all__ = ["DEFAULT", "PERMISSIONS", "REPORTER_ROLES", "SYS_ADMIN", "TENANT_ROLES", "is_allowed"]


def _by_permission(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    roles: dict[str, set[str]] = defaultdict(set)
    for role, permission in pairs:
        roles[permission].add(role)
    return {permission: frozenset(having) for permission, having in roles.items()}


PERMISSIONS = _by_permission(default_permissions())


def is_allowed(permission: str, roles: frozenset[str]) -> bool:
    """Tell whether one of `roles` has the permission."""
    return not PERMISSIONS[permission].isdisjoint(roles)
