"""Make, change and remove users."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, IllegalAction, NotFound
from manager.services.passwords import hash_password, is_hash
from manager.services.resources import check_id
from manager.services.roles import REPORTER_ROLES
from manager.storage.models import SYSTEM_ROLE, Role, User

_MIN_PASSWORD, _MAX_PASSWORD = 5, 256  # the original's limits


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to be made; `password` is a hash when `is_prehashed`."""

    username: str
    password: str = field(repr=False)
    role: str
    is_prehashed: bool = False
    created_at: datetime | None = None
    first_login_at: datetime | None = None
    last_login_at: datetime | None = None


def list_users(session: Session) -> Sequence[User]:
    """Return the users by name, without the status reporters, which are no people."""
    query = select(User).where(User.role.not_in(REPORTER_ROLES.values())).order_by(User.username)
    return session.scalars(query).all()


def get_user(session: Session, username: str, *, to_change: bool = False) -> User:
    """Return a user, locked if `to_change`; raises NotFound."""
    query = select(User).where(User.username == username)
    user = session.scalars(query.with_for_update() if to_change else query).one_or_none()
    if user is None or user.role in REPORTER_ROLES.values():
        raise NotFound.of("User", username)
    return user


def create_user(session: Session, new: NewUser) -> User:
    """Store a user; raises Conflict when the name is taken."""
    check_id("username", new.username)
    system_role(session, new.role)
    if new.is_prehashed and not is_hash(new.password):
        raise BadParameters("The prehashed password is not an argon2id hash")
    user = User(
        username=new.username,
        password_hash=new.password if new.is_prehashed else _hashed(new.password),
        role=new.role,
        first_login_at=new.first_login_at,
        last_login_at=new.last_login_at,
    )
    if new.created_at is not None:
        user.created_at = new.created_at
    try:
        with session.begin_nested():
            session.add(user)
    except IntegrityError as error:
        raise Conflict(f"User `{new.username}` already exists") from error
    session.refresh(user)
    return user


def set_password(session: Session, username: str, password: object) -> User:
    """Give a user another password; the account is unlocked with it."""
    user = get_user(session, username, to_change=True)
    user.password_hash = _hashed(password)
    user.failed_logins = 0
    return user


def reset_admin_password(session: Session, password: object) -> User:
    """Give the administrator that `bootstrap` made another password; raises NotFound without one.

    Tokens and executions go on: they do not depend on the password.
    """
    query = select(User.username).where(User.is_bootstrap_admin)
    username = session.scalars(query).one_or_none()
    if username is None:
        raise NotFound("No administrator exists: run `python -m manager bootstrap`")
    return set_password(session, username, password)


def set_role(session: Session, username: str, role: object) -> User:
    """Give a user another system role."""
    user = get_user(session, username, to_change=True)
    _refuse_bootstrap_admin(user, "get another role")
    user.role = system_role(session, role)
    return user


def set_active(session: Session, username: str, *, active: bool) -> User:
    """Let a user in, or keep them out; raises Conflict when that is so already."""
    user = get_user(session, username, to_change=True)
    if not active:
        _refuse_bootstrap_admin(user, "be deactivated")
    if user.active is active:
        raise Conflict(f"User `{username}` is already {'active' if active else 'inactive'}")
    user.active = active
    return user


def unlock(session: Session, username: str) -> User:
    """Forget a user's wrong passwords."""
    user = get_user(session, username, to_change=True)
    user.failed_logins = 0
    return user


def delete_user(session: Session, username: str) -> None:
    """Remove a user with their tokens; raises Conflict while they own resources."""
    user = get_user(session, username, to_change=True)
    _refuse_bootstrap_admin(user, "be deleted")
    try:
        with session.begin_nested():
            session.delete(user)
    except IntegrityError as error:
        raise Conflict(
            f"User `{username}` owns resources: give them another owner or delete them first"
        ) from error


def system_role(session: Session, name: object) -> str:
    """Return `name` if it is a role that users and groups can have in the system."""
    role = session.get(Role, name) if isinstance(name, str) else None
    if role is None or role.type != SYSTEM_ROLE or role.name in REPORTER_ROLES.values():
        raise BadParameters(f"{name!r} is not a system role")
    return role.name


def _hashed(password: object) -> str:
    if not isinstance(password, str) or not _MIN_PASSWORD <= len(password) <= _MAX_PASSWORD:
        raise BadParameters(f"A password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters")
    return hash_password(password)


def _refuse_bootstrap_admin(user: User, what: str) -> None:
    if user.is_bootstrap_admin:
        raise IllegalAction(f"The administrator `{user.username}` cannot {what}")
