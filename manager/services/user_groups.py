"""Make, change and remove groups of users."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, NotFound
from manager.services.resources import check_id
from manager.services.users import get_user, system_role
from manager.storage.models import (
    GroupMember,
    GroupTenant,
    Tenant,
    User,
    UserGroup,
)


def list_groups(session: Session) -> Sequence[UserGroup]:
    """Return the groups by name."""
    return session.scalars(select(UserGroup).order_by(UserGroup.name)).all()


def get_group(session: Session, name: str) -> UserGroup:
    """Return a group; raises NotFound."""
    group = session.scalars(select(UserGroup).where(UserGroup.name == name)).one_or_none()
    if group is None:
        raise NotFound.of("Group", name)
    return group


def create_group(session: Session, name: str, role: object, ldap_dn: str | None) -> UserGroup:
    """Store a group; raises Conflict when its name or LDAP name is taken."""
    check_id("group_name", name)
    if name == "users":
        raise BadParameters("`users` cannot be a group's name: /user-groups/users is another route")
    group = UserGroup(name=name, role=system_role(session, role), ldap_dn=ldap_dn or None)
    try:
        with session.begin_nested():
            session.add(group)
    except IntegrityError as error:
        raise Conflict(f"Group `{name}` already exists, or its LDAP name is taken") from error
    return group


def set_group_role(session: Session, name: str, role: object) -> UserGroup:
    """Give a group's members another system role."""
    group = get_group(session, name)
    group.role = system_role(session, role)
    return group


def delete_group(session: Session, name: str) -> None:
    """Remove a group that is in no tenant any more; raises Conflict otherwise."""
    group = get_group(session, name)
    tenants = select(func.count()).where(GroupTenant.group_id == group.id)
    if session.scalar(tenants):
        raise Conflict(f"Group `{name}` has roles in tenants: remove it from them first")
    session.delete(group)


def add_member(session: Session, username: str, group_name: str) -> UserGroup:
    """Put a user into a group; raises Conflict when they are in it."""
    group, user = get_group(session, group_name), get_user(session, username)
    try:
        with session.begin_nested():
            session.add(GroupMember(group_id=group.id, user_id=user.id))
    except IntegrityError as error:
        raise Conflict(f"User `{username}` is already in group `{group_name}`") from error
    return group


def remove_member(session: Session, username: str, group_name: str) -> None:
    """Take a user out of a group; raises NotFound when they are not in it."""
    group, user = get_group(session, group_name), get_user(session, username)
    member = session.get(GroupMember, (user.id, group.id))
    if member is None:
        raise NotFound(f"User `{username}` is not in group `{group_name}`")
    session.execute(
        delete(GroupMember).where(GroupMember.group_id == group.id, GroupMember.user_id == user.id)
    )


def members(session: Session, ids: Sequence[int]) -> dict[int, list[str]]:
    """Return the names of the groups' members, by the group's key."""
    query = (
        select(GroupMember.group_id, User.username)
        .join(User, User.id == GroupMember.user_id)
        .where(GroupMember.group_id.in_(ids))
        .order_by(User.username)
    )
    found: dict[int, list[str]] = {group_id: [] for group_id in ids}
    for group_id, username in session.execute(query):
        found[group_id].append(username)
    return found


def groups_of(session: Session, user_ids: Sequence[int]) -> dict[int, list[tuple[str, str]]]:
    """Return the groups of users and their system roles, by the user's key."""
    query = (
        select(GroupMember.user_id, UserGroup.name, UserGroup.role)
        .join(UserGroup, UserGroup.id == GroupMember.group_id)
        .where(GroupMember.user_id.in_(user_ids))
        .order_by(UserGroup.name)
    )
    found: dict[int, list[tuple[str, str]]] = {user_id: [] for user_id in user_ids}
    for user_id, name, role in session.execute(query):
        found[user_id].append((name, role))
    return found


def group_roles_in_tenants(session: Session, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the groups' roles in tenants, by the group's key and the tenant's name."""
    query = (
        select(GroupTenant.group_id, Tenant.name, GroupTenant.role)
        .join(Tenant, Tenant.id == GroupTenant.tenant_id)
        .where(GroupTenant.group_id.in_(ids))
        .order_by(Tenant.name)
    )
    found: dict[int, dict[str, str]] = {group_id: {} for group_id in ids}
    for group_id, tenant, role in session.execute(query):
        found[group_id][tenant] = role
    return found


def groups_in_tenants(session: Session, ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return the groups' roles in tenants, by the tenant's key and the group's name."""
    query = (
        select(GroupTenant.tenant_id, UserGroup.name, GroupTenant.role)
        .join(UserGroup, UserGroup.id == GroupTenant.group_id)
        .where(GroupTenant.tenant_id.in_(ids))
        .order_by(UserGroup.name)
    )
    found: dict[int, dict[str, str]] = {tenant_id: {} for tenant_id in ids}
    for tenant_id, group, role in session.execute(query):
        found[tenant_id][group] = role
    return found
