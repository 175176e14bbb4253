"""GET /user: the caller."""

from flask import Blueprint, request
from sqlalchemy.orm import selectinload

from manager.rest.arguments import flag
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, included, timestamp
from manager.services.authentication import is_locked
from manager.storage.models import User, UserTenant

blueprint = Blueprint("user", __name__)


@blueprint.get("/user")
@authorize("user_get_self")
def get_user() -> Body:
    """Answer the caller; with `_get_data` the roles in each tenant by name."""
    options = selectinload(User.tenants).joinedload(UserTenant.tenant)
    user = session().get_one(User, caller().user_id, options=[options])
    return included(_serialise(user, with_data=flag(request.args.get("_get_data", False))))


def _serialise(user: User, *, with_data: bool) -> Body:
    roles = {entry.tenant.name: entry.role for entry in user.tenants}
    direct = {name: {"tenant-role": role, "roles": [role]} for name, role in roles.items()}
    return {
        "username": user.username,
        "tenants": direct if with_data else len(roles),
        "tenant_roles": {"direct": roles, "groups": {}} if with_data else None,
        "groups": [] if with_data else 0,
        "role": user.role,
        "group_system_roles": {},
        "active": user.active,
        "created_at": timestamp(user.created_at),
        "first_login_at": timestamp(user.first_login_at),
        "last_login_at": timestamp(user.last_login_at),
        "is_locked": is_locked(session(), user),
        "show_getting_started": user.show_getting_started,
        "password_hash": None,
    }
