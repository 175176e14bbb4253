"""/permissions: which roles may do what; for administrators."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body
from manager.rest.plain_list import plain_list
from manager.services.permissions import allow, disallow, list_permissions
from manager.storage.models import Permission

blueprint = Blueprint("permissions", __name__)


@blueprint.get("/permissions")
@authorize()
def get_all() -> Body | list[Body]:
    """Answer the permissions of all roles."""
    caller().require_admin()
    return _listed(None)


@blueprint.get("/permissions/<role>")
@authorize()
def get_of_role(role: str) -> Body | list[Body]:
    """Answer the permissions of a role."""
    caller().require_admin()
    return _listed(role)


@blueprint.put("/permissions/<role>/<name>")
@authorize()
def put(role: str, name: str) -> Body:
    """Let a role do something."""
    caller().require_admin()
    return _serialise(allow(session(), role, name))


@blueprint.delete("/permissions/<role>/<name>")
@authorize()
def delete(role: str, name: str) -> tuple[str, int]:
    """Let a role no longer do something."""
    caller().require_admin()
    disallow(session(), role, name)
    return "", 204


def _listed(role: str | None) -> Body | list[Body]:
    found = list_permissions(session(), role)
    return plain_list([_serialise(permission) for permission in found], searched="permission")


def _serialise(permission: Permission) -> Body:
    return {"role": permission.role, "permission": permission.name}
