"""Keep secrets: sealed in the database, opened for those who may read them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, Forbidden, NotFound
from manager.services.authentication import Caller
from manager.services.encryption import Sealer
from manager.services.json_schema import check_schema, check_value
from manager.services.resources import check_id, find, find_to_change
from manager.services.users import get_user
from manager.services.visibility import check_is_free, parse_visibility, widen
from manager.storage.models import GLOBAL, TENANT_WIDE, Secret

Values = Mapping[str, Any]  # what a client sent, booleans parsed


def create_secret(
    session: Session, caller: Caller, sealer: Sealer, key: str, values: Values
) -> Secret:
    """Store a secret; raises Conflict when its key is taken."""
    check_id("key", key)
    tenant_id = caller.require_tenant()
    visibility = parse_visibility(values.get("visibility") or TENANT_WIDE)
    if visibility == GLOBAL:
        caller.require("create_global_resource")
    check_is_free(session, Secret, tenant_id, key)
    if visibility == GLOBAL:
        _check_nobody_has(session, key)
    _refuse_provider(values)
    schema = values.get("schema")
    secret = Secret(
        id=key,
        tenant_id=tenant_id,
        creator_id=caller.user_id,
        visibility=visibility,
        schema=None if schema is None else check_schema(schema),
        is_hidden_value=bool(values.get("is_hidden_value")),
    )
    secret.value = sealer.seal(_plain(values.get("value"), secret.schema))
    session.add(secret)
    session.flush()
    return secret


def create_or_update_secret(
    session: Session, caller: Caller, sealer: Sealer, key: str, values: Values
) -> Secret:
    """Store a secret, or what is given of it when the tenant has it already."""
    try:
        return create_secret(session, caller, sealer, key, values)
    except Conflict:
        return update_secret(session, caller, sealer, key, values)


def update_secret(
    session: Session, caller: Caller, sealer: Sealer, key: str, values: Values
) -> Secret:
    """Change what is given of a secret; hidden ones are their creator's and managers' to change."""
    secret = find_to_change(session, caller, Secret, key)
    _require_reader(caller, secret)
    _refuse_provider(values)
    if values.get("schema") is not None:
        secret.schema = check_schema(values["schema"])
    if values.get("value") is not None:
        secret.value = sealer.seal(_plain(values["value"], secret.schema))
    if values.get("is_hidden_value") is not None:
        _require_owner(caller, secret)
        secret.is_hidden_value = bool(values["is_hidden_value"])
    if values.get("visibility") is not None:
        _widen(session, caller, secret, values["visibility"])
    if values.get("creator"):
        caller.require("set_owner")
        secret.creator_id = get_user(session, values["creator"]).id
    secret.updated_at = datetime.now(UTC)
    session.flush()
    return secret


def set_secret_visibility(session: Session, caller: Caller, key: str, visibility: object) -> None:
    """Let more users see a secret."""
    secret = find_to_change(session, caller, Secret, key)
    _require_reader(caller, secret)
    _widen(session, caller, secret, visibility)
    secret.updated_at = datetime.now(UTC)


def delete_secret(session: Session, caller: Caller, key: str) -> None:
    """Remove a secret."""
    secret = find_to_change(session, caller, Secret, key)
    _require_reader(caller, secret)
    session.delete(secret)


def readable_value(session: Session, caller: Caller, sealer: Sealer, key: str) -> Any:
    """Return a secret's value; a hidden one is empty for those who may not read it."""
    secret = find(session, caller, Secret, key)
    if secret.is_hidden_value and not _owns(caller, secret):
        return ""
    return _opened(secret, sealer)


def secret_value(session: Session, caller: Caller, sealer: Sealer, key: str) -> Any:
    """Return a secret's value for a deployment of the caller, who need not see a hidden one."""
    return _opened(find(session, caller, Secret, key), sealer)


def may_read(caller: Caller, item: Mapping[str, Any]) -> bool:
    """Tell whether the caller may read the value of a secret's item."""
    manages = caller.sees_private and item["tenant_name"] == caller.tenant
    is_own = item["created_by"] == caller.username
    return not item["is_hidden_value"] or caller.is_admin or manages or is_own


def plain_value(sealed: str | None, schema: Mapping[str, Any] | None, sealer: Sealer) -> Any:
    """Return what a stored value stands for: a text, or with a schema any JSON."""
    if sealed is None:
        return None
    text = sealer.open(sealed)
    return text if schema is None else json.loads(text)


def _opened(secret: Secret, sealer: Sealer) -> Any:
    return plain_value(secret.value, secret.schema, sealer)


def _plain(value: object, schema: dict[str, Any] | None) -> str:
    if schema is None:
        if not isinstance(value, str):
            raise BadParameters("The secret's value is not a text: give it a schema")
        if not value:
            raise BadParameters("Cannot create a secret with empty value")
        return value
    check_value(value, schema)
    return json.dumps(value)


def _widen(session: Session, caller: Caller, secret: Secret, visibility: object) -> None:
    wanted = parse_visibility(visibility)
    if wanted == GLOBAL and secret.visibility != GLOBAL:
        caller.require("create_global_resource")
    widen(session, secret, wanted)


def _check_nobody_has(session: Session, key: str) -> None:
    if session.query(Secret.key).filter(Secret.id == key).first() is not None:
        raise Conflict(f"secret with key={key} exists in another tenant, so it cannot be global")


def _refuse_provider(values: Values) -> None:
    if name := values.get("provider_name"):
        raise NotFound.of("SecretsProvider", str(name))


def _owns(caller: Caller, secret: Secret) -> bool:
    manages = caller.sees_private and secret.tenant_id == caller.tenant_id
    return caller.is_admin or manages or secret.creator_id == caller.user_id


def _require_reader(caller: Caller, secret: Secret) -> None:
    if secret.is_hidden_value and not _owns(caller, secret):
        raise Forbidden(
            f"User `{caller.username}` is not permitted to modify the hidden value secret"
            f" `{secret.id}`"
        )


def _require_owner(caller: Caller, secret: Secret) -> None:
    if not _owns(caller, secret):
        raise Forbidden(
            f"User `{caller.username}` is not permitted to modify the secret `{secret.id}`"
            " to be hidden value"
        )
