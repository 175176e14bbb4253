"""Roles, and which of them may do what."""

from collections.abc import Mapping

SYS_ADMIN = "sys_admin"
DEFAULT = "default"
TENANT_ROLES = ("manager", "user", "operations", "viewer")
REPORTER_ROLES = {
    "manager": "manager_status_reporter",
    "db": "db_status_reporter",
    "broker": "broker_status_reporter",
}

_EVERYONE = frozenset({SYS_ADMIN, DEFAULT, *TENANT_ROLES})
_REPORTERS = frozenset(REPORTER_ROLES.values())
_ADMIN = frozenset({SYS_ADMIN})

PERMISSIONS: Mapping[str, frozenset[str]] = {
    "status_get": _EVERYONE | {REPORTER_ROLES["manager"]},
    "version_get": _EVERYONE | _REPORTERS,
    "cluster_status_get": _EVERYONE,
    "manager_cluster_status_put": frozenset({REPORTER_ROLES["manager"]}),
    "db_cluster_status_put": frozenset({REPORTER_ROLES["db"]}),
    "broker_cluster_status_put": frozenset({REPORTER_ROLES["broker"]}),
    "provider_context_get": _EVERYONE,
    "manager_get": _EVERYONE | _REPORTERS,
    "broker_get": _EVERYONE,
    "broker_credentials": _ADMIN,
    "db_nodes_get": _EVERYONE,
    "cluster_manage": _ADMIN,
    "maintenance_mode_get": _EVERYONE,
    "maintenance_mode_set": _ADMIN,
    "manager_config_get": _EVERYONE,
    "manager_config_put": _ADMIN,
    "user_get_self": _EVERYONE,
    "tenant_list": _EVERYONE,
    "tenant_rabbitmq_credentials": _ADMIN | {"manager", "user"},
    "create_token": _EVERYONE,
    "list_token": _EVERYONE,
    "delete_token": _EVERYONE,
    "license_check": _EVERYONE,
}


def is_allowed(permission: str, roles: frozenset[str]) -> bool:
    """Tell whether one of `roles` has the permission."""
    return not PERMISSIONS[permission].isdisjoint(roles)
