"""Which roles may do what: kept in the database, cached in each process."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from manager.errors import Conflict, NotFound
from manager.services.permission_defaults import PERMISSION_NAMES, default_permissions
from manager.services.roles import DEFAULT, REPORTER_ROLES, SYS_ADMIN, TENANT_ROLES
from manager.storage.models import Permission, PermissionState, Role
from manager.storage.upsert import upsert

__all__ = ["DEFAULT", "PERMISSIONS", "REPORTER_ROLES", "SYS_ADMIN", "TENANT_ROLES", "is_allowed"]

PermissionTable = Mapping[str, frozenset[str]]  # the roles that have a permission, by its name


def _by_permission(pairs: Iterable[tuple[str, str]]) -> PermissionTable:
    roles: dict[str, set[str]] = defaultdict(set)
    for role, permission in pairs:
        roles[permission].add(role)
    return {permission: frozenset(having) for permission, having in roles.items()}


PERMISSIONS = _by_permission(default_permissions())


def is_allowed(
    permission: str, roles: frozenset[str], table: PermissionTable = PERMISSIONS
) -> bool:
    """Tell whether one of `roles` has the permission."""
    return not table.get(permission, frozenset()).isdisjoint(roles)


class PermissionCache:
    """The table of one process; every request brings the version that the database has."""

    def __init__(self) -> None:
        self._known: tuple[int | None, PermissionTable] = (None, PERMISSIONS)

    def table(self, session: Session, version: int | None) -> PermissionTable:
        """Return the permissions of this version, read again when it is another one."""
        known, table = self._known
        if known != version:
            rows = session.execute(select(Permission.role, Permission.name))
            table = _by_permission((row.role, row.name) for row in rows)
            self._known = (version, table)
        return table


def seed_permissions(session: Session) -> None:
    """Give roles the permissions that no earlier run has given; what operators took stays taken."""
    state = session.get(PermissionState, 1)
    seeded = frozenset(state.seeded if state else ())
    new = [
        {"role": role, "name": name} for role, name in default_permissions() if name not in seeded
    ]
    if not new:
        return
    session.execute(insert(Permission), new)
    version = state.version + 1 if state else 1
    names = sorted(seeded | PERMISSION_NAMES)
    upsert(session, PermissionState, ("id",), id=1, version=version, seeded=names)


def list_permissions(session: Session, role: str | None = None) -> list[Permission]:
    """Return who may do what, of one role or of all; raises NotFound for an unknown role."""
    query = select(Permission).order_by(Permission.role, Permission.name)
    if role is not None:
        _require_role(session, role)
        query = query.where(Permission.role == role)
    return list(session.scalars(query))


def allow(session: Session, role: str, name: str) -> Permission:
    """Let a role do something; raises Conflict when it may already."""
    _require_role(session, role)
    if name not in PERMISSION_NAMES:
        raise NotFound.of("Permission", name)
    _count_change(session)  # first: it serialises changes, so that none is lost to caches
    if session.get(Permission, (role, name)) is not None:
        raise Conflict(f"{role} already has permission {name}")
    permission = Permission(role=role, name=name)
    session.add(permission)
    session.flush()
    return permission


def disallow(session: Session, role: str, name: str) -> None:
    """Let a role no longer do something; raises NotFound when it may not."""
    _require_role(session, role)
    _count_change(session)
    permission = session.get(Permission, (role, name))
    if permission is None:
        raise NotFound(f"{role} does not have {name}")
    session.delete(permission)


def _require_role(session: Session, role: str) -> None:
    if session.get(Role, role) is None:
        raise NotFound.of("Role", role)


def _count_change(session: Session) -> None:
    session.execute(update(PermissionState).values(version=PermissionState.version + 1))
