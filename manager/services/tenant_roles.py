"""Give users and groups roles in tenants, and take them back."""

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, NotFound
from manager.services.roles import TENANT_ROLES
from manager.services.user_groups import get_group
from manager.services.users import get_user
from manager.storage.models import Base, GroupTenant, Tenant, UserTenant

DEFAULT_ROLE = "user"
Entry = TypeVar("Entry", UserTenant, GroupTenant)


def add_user(session: Session, username: str, tenant_name: str, role: object) -> Tenant:
    """Give a user a role in a tenant; raises Conflict when they have one."""
    tenant, user = find_tenant(session, tenant_name), get_user(session, username)
    entry = UserTenant(user_id=user.id, tenant_id=tenant.id, role=_tenant_role(role))
    _add(session, entry, f"User `{username}` is already in tenant `{tenant_name}`")
    return tenant


def update_user(session: Session, username: str, tenant_name: str, role: object) -> Tenant:
    """Give a user another role in a tenant."""
    tenant, entry = _user_entry(session, username, tenant_name)
    entry.role = _tenant_role(role)
    return tenant


def remove_user(session: Session, username: str, tenant_name: str) -> None:
    """Take a user's role in a tenant away."""
    session.delete(_user_entry(session, username, tenant_name)[1])


def add_group(session: Session, group_name: str, tenant_name: str, role: object) -> Tenant:
    """Give a group's members a role in a tenant; raises Conflict when they have one."""
    tenant, group = find_tenant(session, tenant_name), get_group(session, group_name)
    entry = GroupTenant(group_id=group.id, tenant_id=tenant.id, role=_tenant_role(role))
    _add(session, entry, f"Group `{group_name}` is already in tenant `{tenant_name}`")
    return tenant


def update_group(session: Session, group_name: str, tenant_name: str, role: object) -> Tenant:
    """Give a group's members another role in a tenant."""
    tenant, entry = _group_entry(session, group_name, tenant_name)
    entry.role = _tenant_role(role)
    return tenant


def remove_group(session: Session, group_name: str, tenant_name: str) -> None:
    """Take the role of a group's members in a tenant away."""
    session.delete(_group_entry(session, group_name, tenant_name)[1])


def find_tenant(session: Session, name: str) -> Tenant:
    """Return a tenant; raises NotFound."""
    tenant = session.scalars(select(Tenant).where(Tenant.name == name)).one_or_none()
    if tenant is None:
        raise NotFound.of("Tenant", name)
    return tenant


def _user_entry(session: Session, username: str, tenant_name: str) -> tuple[Tenant, UserTenant]:
    tenant, user = find_tenant(session, tenant_name), get_user(session, username)
    entry = session.get(UserTenant, (user.id, tenant.id))
    return tenant, _found(entry, f"User `{username}` is not in tenant `{tenant_name}`")


def _group_entry(session: Session, group_name: str, tenant_name: str) -> tuple[Tenant, GroupTenant]:
    tenant, group = find_tenant(session, tenant_name), get_group(session, group_name)
    entry = session.get(GroupTenant, (group.id, tenant.id))
    return tenant, _found(entry, f"Group `{group_name}` is not in tenant `{tenant_name}`")


def _found(entry: Entry | None, otherwise: str) -> Entry:
    if entry is None:
        raise NotFound(otherwise)
    return entry


def _add(session: Session, entry: Base, conflict: str) -> None:
    try:
        with session.begin_nested():
            session.add(entry)
    except IntegrityError as error:
        raise Conflict(conflict) from error


def _tenant_role(role: object) -> str:
    wanted = DEFAULT_ROLE if role is None else role
    if wanted not in TENANT_ROLES or not isinstance(wanted, str):
        raise BadParameters(f"{role!r} is not a role in tenants: use one of {list(TENANT_ROLES)}")
    return wanted
