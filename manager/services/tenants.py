"""The tenants that a caller may see."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from manager.errors import NotFound
from manager.services.authentication import Caller
from manager.services.permissions import TENANT_ROLES
from manager.storage.models import Tenant, UserTenant


@dataclass(frozen=True, slots=True)
class TenantSummary:
    """A tenant and how many users it has."""

    name: str
    users: int


def list_tenants(session: Session, caller: Caller) -> list[TenantSummary]:
    """Return the caller's tenants by name; an administrator's are all."""
    return [TenantSummary(*row) for row in session.execute(_visible(caller))]


def get_tenant(session: Session, caller: Caller, name: str) -> TenantSummary:
    """Return one of the caller's tenants; raises NotFound when it is absent or not theirs."""
    row = session.execute(_visible(caller).where(Tenant.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"Requested `Tenant` with ID `{name}` was not found")
    return TenantSummary(*row)


def _visible(caller: Caller) -> Select[Any]:
    # Reporters belong to the default tenant with roles of their own; they are not its users.
    users = (
        select(func.count())
        .where(UserTenant.tenant_id == Tenant.id, UserTenant.role.in_(TENANT_ROLES))
        .scalar_subquery()
    )
    query = select(Tenant.name, users).order_by(Tenant.name)
    if caller.is_admin:
        return query
    own = select(UserTenant.tenant_id).where(UserTenant.user_id == caller.user_id)
    return query.where(Tenant.id.in_(own))
