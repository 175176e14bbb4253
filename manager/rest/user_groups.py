"""/user-groups: groups of users, which give their members roles."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.body import Body, body_text, required_text
from manager.rest.context import session
from manager.rest.envelope import included, json_object
from manager.rest.plain_list import plain_list
from manager.rest.user_bodies import group_bodies
from manager.services import user_groups
from manager.storage.models import UserGroup

blueprint = Blueprint("user_groups", __name__)


@blueprint.get("/user-groups")
@authorize("user_group_list")
def get_all() -> Body | list[Body]:
    """Answer the groups."""
    return plain_list(group_bodies(user_groups.list_groups(session())), searched="name")


@blueprint.post("/user-groups")
@authorize("user_group_create")
def create() -> tuple[Body, int]:
    """Make a group."""
    body = json_object()
    name, role = required_text(body, "group_name"), required_text(body, "role")
    group = user_groups.create_group(session(), name, role, body_text(body, "ldap_group_dn"))
    return _answer(group), 201


@blueprint.get("/user-groups/<name>")
@authorize("user_group_get")
def get_one(name: str) -> Body:
    """Answer a group."""
    return _answer(user_groups.get_group(session(), name))


@blueprint.post("/user-groups/<name>")
@authorize("user_group_update")
def set_role(name: str) -> Body:
    """Give a group's members another system role."""
    role = required_text(json_object(), "role")
    return _answer(user_groups.set_group_role(session(), name, role))


@blueprint.delete("/user-groups/<name>")
@authorize("user_group_delete")
def delete(name: str) -> tuple[str, int]:
    """Remove a group."""
    user_groups.delete_group(session(), name)
    return "", 204


@blueprint.put("/user-groups/users")
@authorize("user_group_add_user")
def add_member() -> Body:
    """Put a user into a group."""
    return _answer(user_groups.add_member(session(), *_member()))


@blueprint.delete("/user-groups/users")
@authorize("user_group_remove_user")
def remove_member() -> tuple[str, int]:
    """Take a user out of a group."""
    user_groups.remove_member(session(), *_member())
    return "", 204


def _member() -> tuple[str, str]:
    body = json_object()
    return required_text(body, "username"), required_text(body, "group_name")


def _answer(group: UserGroup) -> Body:
    return included(group_bodies([group])[0])
