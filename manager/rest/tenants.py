"""/tenants: the tenants that the caller may see, and who has which role in them."""

from flask import Blueprint

from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.body import Body, body_text, required_text
from manager.rest.context import caller, services, session
from manager.rest.envelope import included, json_object
from manager.rest.plain_list import plain_list
from manager.rest.user_bodies import tenant_bodies
from manager.services import tenant_roles, tenants
from manager.services.encryption import Sealer
from manager.storage.models import Tenant

blueprint = Blueprint("tenants", __name__)


@blueprint.get("/tenants")
@authorize("tenant_list")
def get_all() -> Body | list[Body]:
    """Answer the caller's tenants; an administrator's are all."""
    with_data = flag_argument("_get_data")
    if with_data:
        caller().require("tenant_list_get_data")
    found = tenants.list_tenants(session(), caller())
    return plain_list(tenant_bodies(found, with_data=with_data), searched="name")


@blueprint.get("/tenants/<name>")
@authorize("tenant_get")
def get_one(name: str) -> Body:
    """Answer a tenant of the caller, with its broker's user for those who run agents in it."""
    tenant = tenants.get_tenant(session(), caller(), name)
    (body,) = tenant_bodies([tenant], with_data=flag_argument("_get_data"))
    if _may_use_broker(tenant) and tenant.rabbitmq_password is not None:
        body |= {
            "rabbitmq_username": tenant.rabbitmq_username,
            "rabbitmq_password": _sealer().open(tenant.rabbitmq_password),
            "rabbitmq_vhost": tenant.rabbitmq_vhost,
        }
    return included(body)


@blueprint.post("/tenants/<name>")
@authorize("tenant_create")
def create(name: str) -> tuple[Body, int]:
    """Make a tenant."""
    password = body_text(json_object(), "rabbitmq_password") or ""
    return _answer(tenants.create_tenant(session(), _sealer(), name, password)), 201


@blueprint.delete("/tenants/<name>")
@authorize("tenant_delete")
def delete(name: str) -> tuple[str, int]:
    """Remove an empty tenant."""
    tenants.delete_tenant(session(), name)
    return "", 204


@blueprint.put("/tenants/users")
@authorize("tenant_add_user")
def add_user() -> Body:
    """Give a user a role in a tenant."""
    return _answer(tenant_roles.add_user(session(), *_entry("username"), _role()))


@blueprint.patch("/tenants/users")
@authorize("tenant_update_user")
def update_user() -> Body:
    """Give a user another role in a tenant."""
    return _answer(tenant_roles.update_user(session(), *_entry("username"), _role()))


@blueprint.delete("/tenants/users")
@authorize("tenant_remove_user")
def remove_user() -> tuple[str, int]:
    """Take a user's role in a tenant away."""
    tenant_roles.remove_user(session(), *_entry("username"))
    return "", 204


@blueprint.put("/tenants/user-groups")
@authorize("tenant_add_group")
def add_group() -> Body:
    """Give a group's members a role in a tenant."""
    return _answer(tenant_roles.add_group(session(), *_entry("group_name"), _role()))


@blueprint.patch("/tenants/user-groups")
@authorize("tenant_update_group")
def update_group() -> Body:
    """Give a group's members another role in a tenant."""
    return _answer(tenant_roles.update_group(session(), *_entry("group_name"), _role()))


@blueprint.delete("/tenants/user-groups")
@authorize("tenant_remove_group")
def remove_group() -> tuple[str, int]:
    """Take the role of a group's members in a tenant away."""
    tenant_roles.remove_group(session(), *_entry("group_name"))
    return "", 204


def _entry(who: str) -> tuple[str, str]:
    body = json_object()
    return required_text(body, who), required_text(body, "tenant_name")


def _role() -> object:
    return json_object().get("role")


def _answer(tenant: Tenant) -> Body:
    return tenant_bodies([tenant], with_data=flag_argument("_get_data"))[0]


def _may_use_broker(tenant: Tenant) -> bool:
    # The caller's roles are those in the tenant that the request names.
    who = caller()
    here = who.is_admin or who.tenant_id == tenant.id
    return here and who.may("tenant_rabbitmq_credentials")


def _sealer() -> Sealer:
    return Sealer.of(services().settings.security)
