"""Fill the database with what a cluster needs, and enter this manager into it; may run again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.services.config_defaults import config_defaults
from manager.services.encryption import Sealer
from manager.services.passwords import hash_password
from manager.services.permissions import (
    DEFAULT,
    REPORTER_ROLES,
    SYS_ADMIN,
    TENANT_ROLES,
    seed_permissions,
)
from manager.services.registration import register
from manager.services.tenants import DEFAULT_TENANT, give_broker_user
from manager.services.tokens import TokenValue, generate_token, parse_token
from manager.settings import Settings
from manager.storage.models import (
    SYSTEM_ROLE,
    TENANT_ROLE,
    ConfigEntry,
    ProviderContext,
    Role,
    Tenant,
    Token,
    User,
    UserTenant,
)
from manager.storage.upsert import upsert

_REPORTER_IDS = {"manager": 90000, "db": 90001, "broker": 90002}  # Cloudify 5.0.5's


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapSecrets:
    """What the installer hands over on standard input.

    The administrator's password counts only while there is no administrator; reporters whose
    token is not given get a random one.
    """

    admin_username: str = "admin"
    admin_password: str | None = field(default=None, repr=False)
    reporter_tokens: Mapping[str, TokenValue] = field(default_factory=dict, repr=False)


def parse_secrets(document: object) -> BootstrapSecrets:
    """Return the secrets in a JSON document; raises BadParameters when it is malformed."""
    known = {"admin_username", "admin_password", "reporter_tokens"}
    if not isinstance(document, dict) or not document.keys() <= known:
        raise BadParameters(f"standard input is not a JSON object of {sorted(known)}")
    tokens = document.get("reporter_tokens") or {}
    if not isinstance(tokens, dict) or not tokens.keys() <= _REPORTER_IDS.keys():
        raise BadParameters(f"reporter_tokens is not an object of {sorted(_REPORTER_IDS)}")
    parsed = {kind: parse_token(str(value)) for kind, value in tokens.items()}
    for kind, value in parsed.items():
        if value is None:
            raise BadParameters(f"reporter_tokens.{kind} is not of the form ctok-<id>-<secret>")
    return BootstrapSecrets(
        admin_username=document.get("admin_username") or "admin",
        admin_password=document.get("admin_password"),
        reporter_tokens={kind: value for kind, value in parsed.items() if value is not None},
    )


def bootstrap(session: Session, settings: Settings, secrets: BootstrapSecrets) -> None:
    """Create what is absent and bring this manager's and the nodes' entries up to date."""
    _create_roles(session)
    seed_permissions(session)
    tenant = _default_tenant(session, Sealer.of(settings.security))
    _create_admin(session, tenant, secrets)
    for kind in _REPORTER_IDS:
        _create_reporter(session, tenant, kind)
        _keep_reporter_token(session, kind, secrets.reporter_tokens.get(kind), settings)
    _create_config(session, settings)
    upsert(session, ProviderContext, ("id",), keep=True, id="CONTEXT", name="provider", context={})
    register(session, settings)


def reporter_tokens(session: Session, settings: Settings) -> dict[str, str]:
    """Return the token of each kind of reporter."""
    sealer = Sealer.of(settings.security)
    query = select(User.id, Token.sealed_value).join(Token, Token.user_id == User.id)
    sealed: dict[int, str] = {
        row.id: row.sealed_value
        for row in session.execute(query.where(Token.sealed_value.is_not(None)))
    }
    return {
        kind: sealer.open(sealed[user_id])
        for kind, user_id in _REPORTER_IDS.items()
        if user_id in sealed
    }


def token_problems(
    session: Session, settings: Settings, given: Mapping[str, TokenValue]
) -> Iterator[str]:
    """Yield the kinds of reporters without a token, or with another than the given one."""
    stored = reporter_tokens(session, settings)
    for kind in _REPORTER_IDS:
        if kind not in stored or (kind in given and str(given[kind]) != stored[kind]):
            yield f"the {kind} reporters' token is out of date: python -m manager bootstrap"


def _create_roles(session: Session) -> None:
    system = dict.fromkeys((SYS_ADMIN, DEFAULT, *REPORTER_ROLES.values()), SYSTEM_ROLE)
    tenant = dict.fromkeys(TENANT_ROLES, TENANT_ROLE)
    for name, role_type in {**system, **tenant}.items():
        upsert(session, Role, ("name",), keep=True, name=name, type=role_type)


def _default_tenant(session: Session, sealer: Sealer) -> Tenant:
    upsert(session, Tenant, ("name",), keep=True, name=DEFAULT_TENANT)
    tenant = session.scalars(select(Tenant).where(Tenant.name == DEFAULT_TENANT)).one()
    if tenant.rabbitmq_password is None:
        give_broker_user(tenant, sealer)
        session.flush()
    return tenant


def _create_admin(session: Session, tenant: Tenant, secrets: BootstrapSecrets) -> None:
    if session.scalar(select(User.id).where(User.is_bootstrap_admin)) is not None:
        return
    if not secrets.admin_password:
        raise BadParameters("admin_password is needed: the cluster has no administrator yet")
    admin = User(
        username=secrets.admin_username,
        password_hash=hash_password(secrets.admin_password),
        role=SYS_ADMIN,
        is_bootstrap_admin=True,
        tenants=[UserTenant(tenant=tenant, role="manager")],
    )
    session.add(admin)
    session.flush()


def _create_reporter(session: Session, tenant: Tenant, kind: str) -> None:
    role = REPORTER_ROLES[kind]
    upsert(
        session,
        User,
        ("id",),
        keep=True,
        id=_REPORTER_IDS[kind],
        username=role,
        password_hash=None,
        role=role,
        show_getting_started=False,
    )
    upsert(
        session,
        UserTenant,
        ("user_id", "tenant_id"),
        keep=True,
        user_id=_REPORTER_IDS[kind],
        tenant_id=tenant.id,
        role=role,
    )


def _keep_reporter_token(
    session: Session, kind: str, given: TokenValue | None, settings: Settings
) -> None:
    """Store the given token as the reporter's only one; without one keep or generate it."""
    user_id = _REPORTER_IDS[kind]
    stored = session.scalars(select(Token).where(Token.user_id == user_id)).all()
    if stored and given is None:
        return
    value = given or generate_token()
    for token in stored:
        if token.id != value.id or not value.is_of(token.secret_hash):
            session.delete(token)
    session.flush()
    if session.get(Token, value.id) is None:
        sealer = Sealer.of(settings.security)
        session.add(
            Token(
                id=value.id,
                user_id=user_id,
                secret_hash=value.secret_hash,
                sealed_value=sealer.seal(str(value)),
                description=f"status reporters of {kind} nodes",
            )
        )
        session.flush()


def _create_config(session: Session, settings: Settings) -> None:
    for default in config_defaults(settings):
        upsert(
            session,
            ConfigEntry,
            ("scope", "name"),
            keep=True,
            scope=default.scope,
            name=default.name,
            value=default.value,
            schema=default.schema,
        )
