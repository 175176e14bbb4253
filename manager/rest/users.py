"""/users: people who may log in, and /user: the caller."""

from flask import Blueprint

from manager.errors import BadParameters, Forbidden
from manager.rest.arguments import flag, moment
from manager.rest.auth import authorize
from manager.rest.body import Body, body_text, required_text
from manager.rest.context import caller, session
from manager.rest.envelope import included, json_object
from manager.rest.plain_list import plain_list
from manager.rest.user_bodies import user_bodies
from manager.services import users
from manager.storage.models import User

blueprint = Blueprint("users", __name__)


@blueprint.get("/user")
@authorize("user_get_self")
def get_self() -> Body:
    """Answer the caller; with `_get_data` the roles in each tenant by name."""
    return _answer(users.get_user(session(), caller().username))


@blueprint.get("/users")
@authorize("user_list")
def get_all() -> Body | list[Body]:
    """Answer the users."""
    return plain_list(user_bodies(users.list_users(session())), searched="username")


@blueprint.put("/users")
@authorize("user_create")
def create() -> tuple[Body, int]:
    """Make a user."""
    body = json_object()
    times = {
        name: moment(name, str(body[name]))
        for name in ("created_at", "first_login_at", "last_login_at")
        if body.get(name)
    }
    if times:
        caller().require("set_timestamp")
    new = users.NewUser(
        username=required_text(body, "username"),
        password=required_text(body, "password"),
        role=required_text(body, "role"),
        is_prehashed=flag(body.get("is_prehashed", False)),
        **times,
    )
    return _answer(users.create_user(session(), new)), 201


@blueprint.get("/users/<username>")
@authorize("user_get")
def get_one(username: str) -> Body:
    """Answer a user."""
    return _answer(users.get_user(session(), username))


@blueprint.post("/users/<username>")
@authorize("user_get_self")
def change(username: str) -> Body:
    """Set a user's password, role, or whether the console greets them; users change their own."""
    body = json_object()
    given = [name for name in ("password", "role", "show_getting_started") if name in body]
    if len(given) != 1:
        raise BadParameters("Send exactly one of password, role and show_getting_started")
    if username != caller().username or given == ["role"]:
        caller().require("user_update")
    return _answer(_changed(username, given[0], body[given[0]]))


@blueprint.delete("/users/<username>")
@authorize("user_delete")
def delete(username: str) -> tuple[str, int]:
    """Remove a user."""
    if username == caller().username:
        raise Forbidden("Users cannot delete themselves")
    users.delete_user(session(), username)
    return "", 204


@blueprint.post("/users/active/<username>")
@authorize("user_set_activated")
def set_active(username: str) -> Body:
    """Let a user in or keep them out: `action` is activate or deactivate."""
    action = body_text(json_object(), "action")
    if action not in ("activate", "deactivate"):
        raise BadParameters("action is neither activate nor deactivate")
    return _answer(users.set_active(session(), username, active=action == "activate"))


@blueprint.post("/users/unlock/<username>")
@authorize("user_unlock")
def unlock(username: str) -> Body:
    """Open an account that wrong passwords have locked."""
    return _answer(users.unlock(session(), username))


def _changed(username: str, name: str, value: object) -> User:
    if name == "password":
        return users.set_password(session(), username, value)
    if name == "role":
        return users.set_role(session(), username, value)
    user = users.get_user(session(), username, to_change=True)
    user.show_getting_started = flag(value)
    return user


def _answer(user: User) -> Body:
    return included(user_bodies([user])[0])
