"""Find out who calls: by user name and password, or by token."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, null, or_, select, update
from sqlalchemy.orm import Session

from manager.errors import Forbidden, Unauthorized
from manager.services.config import config_values
from manager.services.execution_tokens import (
    execution_token_hash,
    has_live_token,
    is_execution_token,
)
from manager.services.passwords import PasswordChecker
from manager.services.permissions import (
    PERMISSIONS,
    SYS_ADMIN,
    PermissionCache,
    PermissionTable,
    is_allowed,
)
from manager.services.tokens import parse_token
from manager.storage.database import Database, forgo_durability
from manager.storage.models import (
    Execution,
    GroupMember,
    GroupTenant,
    PermissionState,
    Tenant,
    Token,
    User,
    UserGroup,
    UserTenant,
)
from manager.storage.prepared import Prepared

_USE_NOTED_EVERY_S = 60  # logins and uses of tokens are written at most so often

_GROUP_ROLES = (
    select(func.array_agg(UserGroup.role))
    .join(GroupMember, GroupMember.group_id == UserGroup.id)
    .where(GroupMember.user_id == User.id)
    .scalar_subquery()
)
_GROUP_TENANT_ROLES = (
    select(func.array_agg(GroupTenant.role))
    .join(GroupMember, GroupMember.group_id == GroupTenant.group_id)
    .where(GroupMember.user_id == User.id, GroupTenant.tenant_id == Tenant.id)
    .scalar_subquery()
)

# A user, with the tenant that the request names and the user's role in it. Every request asks one
# of these, so they are built once.
_COLUMNS = (
    User.id,
    User.username,
    User.password_hash,
    User.role,
    User.active,
    User.is_bootstrap_admin,
    User.failed_logins,
    User.last_failed_login_at,
    Tenant.id.label("tenant_id"),
    Tenant.name.label("tenant"),
    UserTenant.role.label("tenant_role"),
    _GROUP_ROLES.label("group_roles"),
    _GROUP_TENANT_ROLES.label("group_tenant_roles"),
    select(PermissionState.version).scalar_subquery().label("permission_version"),
)
_ROLE = and_(UserTenant.user_id == User.id, UserTenant.tenant_id == Tenant.id)
_USER: Any = (
    select(*_COLUMNS, null().label("execution_key"))
    .select_from(User)
    .outerjoin(Tenant, Tenant.name == bindparam("tenant"))
    .outerjoin(UserTenant, _ROLE)
)
_USER_OF_NAME = Prepared(_USER.where(User.username == bindparam("username")))
_USER_OF_TOKEN = Prepared(
    _USER.add_columns(Token.secret_hash)
    .join(Token, Token.user_id == User.id)
    .where(
        Token.id == bindparam("token_id"),
        or_(Token.expires_at.is_(None), Token.expires_at > func.now()),
    )
)
_USER_OF_EXECUTION = Prepared(
    select(*_COLUMNS, Execution.key.label("execution_key"))
    .select_from(Execution)
    .join(User, User.id == Execution.creator_id)
    .join(Tenant, Tenant.id == Execution.tenant_id)
    .outerjoin(UserTenant, _ROLE)
    .where(Execution.token_hash == bindparam("token_hash"), has_live_token)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request says about its sender: a token, or a user name and password.

    `token` is a user's or an execution's.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    tenant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated user, in a tenant if the request named one.

    An execution calls as the user who started it, in its own tenant; `execution_key` tells which.
    """

    user_id: int
    username: str
    role: str
    tenant_id: int | None
    tenant: str | None
    tenant_role: str | None
    group_roles: frozenset[str] = frozenset()  # of the user's groups: system-wide, in the tenant
    permissions: PermissionTable = field(default_factory=lambda: PERMISSIONS, repr=False)
    execution_key: int | None = None

    @property
    def roles(self) -> frozenset[str]:
        """Return all roles that the caller has in this request."""
        return self.group_roles | {self.role, self.tenant_role or self.role}

    def require_tenant(self) -> int:
        """Return the key of the request's tenant; raises Forbidden when it names none."""
        if self.tenant_id is None:
            raise Forbidden("Authorization failed: Tenant was not provided: send the Tenant header")
        return self.tenant_id

    @property
    def sees_private(self) -> bool:
        """Tell whether others' private resources of the tenant are visible: to those who run it."""
        return self.is_admin or self.may("administrators")

    def require_admin(self) -> None:
        """Raise Forbidden unless the caller is an administrator of the system."""
        if not self.is_admin:
            raise Forbidden(f"User `{self.username}` is not an administrator")

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller may do everything."""
        return SYS_ADMIN in self.roles

    def may(self, permission: str) -> bool:
        """Tell whether the caller has the permission."""
        return is_allowed(permission, self.roles, self.permissions)

    def require(self, permission: str) -> None:
        """Raise Forbidden unless the caller has the permission."""
        if not self.may(permission):
            raise Forbidden(
                f"User `{self.username}` is not permitted to perform the action {permission}"
            )


class Authenticator:
    """Authenticate requests against the users and tokens of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._passwords = PasswordChecker()
        self._permissions = PermissionCache()
        self._noted: dict[str, float] = {}

    def authenticate(self, session: Session, credentials: Credentials) -> Caller:
        """Return who calls.

        Raises Unauthorized for wrong credentials, Forbidden for a tenant that is not theirs.
        """
        if is_execution_token(credentials.token):
            user = _execution_owner(session, credentials)
        elif credentials.token:
            user = self._token_owner(session, credentials)
        else:
            user = self._password_owner(session, credentials)
        permissions = self._permissions.table(session, user.permission_version)
        return _caller(user, user.tenant if user.execution_key else credentials.tenant, permissions)

    def _password_owner(self, session: Session, credentials: Credentials) -> Any:
        values = {"username": credentials.username, "tenant": credentials.tenant}
        user = _USER_OF_NAME.row(session, **values)
        right = self._passwords.is_right(credentials.password, user.password_hash if user else None)
        if user is None or not right or not user.active or is_locked(session, user):
            if user is not None and not right:
                self._count_failure(user.id)
            raise Unauthorized(
                f"User unauthorized: Authentication failed for <User username="
                f"`{credentials.username}`>. Wrong credentials or locked account"
            )
        if user.failed_logins or self._must_note(f"user {user.id}"):
            self._note_login(user.id)
        return user

    def _token_owner(self, session: Session, credentials: Credentials) -> Any:
        value = parse_token(credentials.token)
        if value is None:
            raise Unauthorized("User unauthorized: Invalid authentication token")
        values = {"token_id": value.id, "tenant": credentials.tenant}
        user = _USER_OF_TOKEN.row(session, **values)
        if user is None or not value.is_of(user.secret_hash) or not user.active:
            raise Unauthorized("User unauthorized: Invalid authentication token")
        if self._must_note(f"token {value.id}"):
            self._note_use(value.id)
        return user

    def _must_note(self, key: str) -> bool:
        now = time.monotonic()
        if now - self._noted.get(key, -_USE_NOTED_EVERY_S) < _USE_NOTED_EVERY_S:
            return False
        if len(self._noted) > 10_000:
            self._noted.clear()
        self._noted[key] = now
        return True

    def _note_login(self, user_id: int) -> None:
        self._write(
            update(User)
            .where(User.id == user_id)
            .values(
                failed_logins=0,
                last_login_at=func.now(),
                first_login_at=func.coalesce(User.first_login_at, func.now()),
            )
        )

    def _count_failure(self, user_id: int) -> None:
        self._write(
            update(User)
            .where(User.id == user_id)
            .values(failed_logins=User.failed_logins + 1, last_failed_login_at=func.now())
        )

    def _note_use(self, token_id: str) -> None:
        self._write(update(Token).where(Token.id == token_id).values(last_used_at=func.now()))

    def _write(self, statement: Any) -> None:
        """Write in a transaction of its own: a request that fails must not undo it."""
        with self._database.session() as session:
            forgo_durability(session)
            session.execute(statement)


def _execution_owner(session: Session, credentials: Credentials) -> Any:
    values = {"token_hash": execution_token_hash(credentials.token)}
    user = _USER_OF_EXECUTION.row(session, **values)
    if user is None or not user.active:
        raise Unauthorized("User unauthorized: Invalid authentication token")
    if credentials.tenant not in (None, user.tenant):
        raise Forbidden(
            f"Authorization failed: An execution of tenant `{user.tenant}` cannot act in "
            f"`{credentials.tenant}`"
        )
    return user


def is_locked(session: Session, user: Any) -> bool:
    """Tell whether too many wrong passwords have locked the account.

    The administrator of the bootstrap is never locked out of the cluster.
    """
    if user.is_bootstrap_admin or not user.failed_logins:
        return False
    limits = config_values(session, "rest")
    lock_minutes = limits["account_lock_period"]
    if lock_minutes < 0 or user.failed_logins < limits["failed_logins_before_account_lock"]:
        return False
    if lock_minutes == 0 or user.last_failed_login_at is None:
        return True
    return bool(datetime.now(UTC) < user.last_failed_login_at + timedelta(minutes=lock_minutes))


def _caller(user: Any, tenant: str | None, permissions: PermissionTable) -> Caller:
    if tenant is not None and user.tenant is None:
        raise Forbidden(
            f"Authorization failed: Tried to authenticate with invalid tenant name: {tenant}"
        )
    caller = Caller(
        user_id=user.id,
        username=user.username,
        role=user.role,
        tenant_id=user.tenant_id,
        tenant=user.tenant,
        tenant_role=user.tenant_role,
        group_roles=frozenset((user.group_roles or []) + (user.group_tenant_roles or [])),
        permissions=permissions,
        execution_key=user.execution_key,
    )
    belongs = user.tenant_role is not None or user.group_tenant_roles
    if tenant is not None and not belongs and not caller.is_admin:
        raise Forbidden(
            f"Authorization failed: User `{user.username}` is not associated with tenant `{tenant}`"
        )
    return caller
