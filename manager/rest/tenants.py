"""/tenants: the tenants that the caller may see."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, included, listing
from manager.services.tenants import TenantSummary, get_tenant, list_tenants

blueprint = Blueprint("tenants", __name__)


@blueprint.get("/tenants")
@authorize("tenant_list")
def get_tenants() -> Body | list[Body]:
    """Answer the caller's tenants; an administrator's are all."""
    return listing(list_tenants(session(), caller()), _serialise)


@blueprint.get("/tenants/<name>")
@authorize("tenant_list")
def get_one(name: str) -> Body:
    """Answer a tenant of the caller."""
    return included(_serialise(get_tenant(session(), caller(), name)))


def _serialise(tenant: TenantSummary) -> Body:
    return {
        "name": tenant.name,
        "groups": 0,
        "users": tenant.users,
        "user_roles": None,
        "rabbitmq_username": None,
        "rabbitmq_password": None,
        "rabbitmq_vhost": None,
    }
