"""Tenants: who may see them, making and removing them."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, IllegalAction, NotFound
from manager.services.authentication import Caller
from manager.services.encryption import Sealer
from manager.services.resources import check_id
from manager.storage.models import (
    Base,
    Event,
    GroupMember,
    GroupTenant,
    Resource,
    Tenant,
    UserTenant,
)

DEFAULT_TENANT = "default_tenant"
_ROUTES = ("users", "user-groups")  # /tenants/<these> are other routes
_CONTENTS: tuple[type[Base], ...] = (*Resource.__subclasses__(), Event)


def list_tenants(session: Session, caller: Caller) -> Sequence[Tenant]:
    """Return the caller's tenants by name; an administrator's are all."""
    query = select(Tenant).order_by(Tenant.name)
    if not caller.is_admin:
        grouped = (
            select(GroupTenant.tenant_id)
            .join(GroupMember, GroupMember.group_id == GroupTenant.group_id)
            .where(GroupMember.user_id == caller.user_id)
        )
        own = select(UserTenant.tenant_id).where(UserTenant.user_id == caller.user_id)
        query = query.where(Tenant.id.in_(own.union_all(grouped)))
    return session.scalars(query).all()


def get_tenant(session: Session, caller: Caller, name: str) -> Tenant:
    """Return one of the caller's tenants; raises NotFound when it is absent or not theirs."""
    for tenant in list_tenants(session, caller):
        if tenant.name == name:
            return tenant
    raise NotFound.of("Tenant", name)


def create_tenant(session: Session, sealer: Sealer, name: str, rabbitmq_password: str) -> Tenant:
    """Store a tenant with the broker's user that its agents will have."""
    check_id("tenant_name", name)
    if name in _ROUTES:
        raise BadParameters(f"`{name}` cannot be a tenant's name: /tenants/{name} is another route")
    tenant = Tenant(name=name)
    give_broker_user(tenant, sealer, rabbitmq_password)
    try:
        with session.begin_nested():
            session.add(tenant)
    except IntegrityError as error:
        raise Conflict(f"Tenant `{name}` already exists") from error
    return tenant


def give_broker_user(tenant: Tenant, sealer: Sealer, password: str = "") -> None:
    """Name the tenant's user and vhost; the broker gets them with the tenant's first agent."""
    tenant.rabbitmq_username = f"rabbitmq_user_{tenant.name}"
    tenant.rabbitmq_vhost = f"rabbitmq_vhost_{tenant.name}"
    tenant.rabbitmq_password = sealer.seal(password or secrets.token_urlsafe(24))


def delete_tenant(session: Session, name: str) -> None:
    """Remove an empty tenant; raises IllegalAction for the default one, Conflict for a full one."""
    if name == DEFAULT_TENANT:
        raise IllegalAction("The default tenant cannot be deleted")
    query = select(Tenant).where(Tenant.name == name).with_for_update()
    tenant = session.scalars(query).one_or_none()
    if tenant is None:
        raise NotFound.of("Tenant", name)
    found = [model.__tablename__ for model in _CONTENTS if _is_in(session, model, tenant)]
    if found:
        raise Conflict(f"Tenant `{name}` is not empty: it has {', '.join(found)}")
    session.delete(tenant)


def _is_in(session: Session, model: type[Base], tenant: Tenant) -> bool:
    column = model.__table__.c.tenant_id
    return bool(session.scalar(select(func.count()).where(column == tenant.id)))
