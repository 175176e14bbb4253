"""Take secrets from one manager to another, under a passphrase if one is given."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, RequestError
from manager.services.authentication import Caller
from manager.services.encryption import Sealer
from manager.services.passphrase import Passphrase
from manager.services.secrets import create_secret, plain_value, update_secret
from manager.storage.models import VISIBILITIES, Tenant

Item = dict[str, Any]
_NEEDED = ("key", "value", "visibility", "tenant_name", "is_hidden_value", "encrypted")
_BOOLEANS = ("is_hidden_value", "encrypted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Who imports secrets, and how."""

    session: Session
    caller: Caller
    sealer: Sealer
    passphrase: str | None = field(default=None, repr=False)
    tenant_map: Mapping[str, str] = field(default_factory=dict)
    override: bool = False


def exported(secrets: Iterable[Item], sealer: Sealer, passphrase: str | None) -> list[Item]:
    """Return secrets with their values, under the passphrase if one is given."""
    key = Passphrase(passphrase) if passphrase else None
    found = []
    for secret in secrets:
        value = plain_value(secret["value"], secret["schema"], sealer)
        if secret["schema"] is not None:
            value = json.dumps(value)
        found.append(
            {
                "key": secret["key"],
                "value": key.seal(value) if key else value,
                "visibility": secret["visibility"],
                "tenant_name": secret["tenant_name"],
                "is_hidden_value": secret["is_hidden_value"],
                "encrypted": key is not None,
                **({"schema": secret["schema"]} if secret["schema"] is not None else {}),
            }
        )
    return found


def import_secrets(importer: Importer, secrets: Sequence[object]) -> Item:
    """Store secrets; those that cannot be are told by their place in the list."""
    _check_tenant_map(importer)
    key = Passphrase(importer.passphrase) if importer.passphrase else None
    colliding: dict[str, list[str]] = defaultdict(list)
    errors: dict[int, Item] = {}
    for number, secret in enumerate(secrets):
        item = dict(secret) if isinstance(secret, dict) else {}
        name = item.get("tenant_name")
        if isinstance(name, str):
            item["tenant_name"] = importer.tenant_map.get(name, name)
        problems = dict(_problems(importer, item, key)) or _store(importer, item, key, colliding)
        if problems:
            errors[number] = problems
    return {"colliding_secrets": colliding, "secrets_errors": errors}


def _store(
    importer: Importer, item: Item, key: Passphrase | None, colliding: dict[str, list[str]]
) -> Item:
    try:
        value = key.open(item["value"]) if key and _is_true(item["encrypted"]) else item["value"]
        values = {**item, "value": json.loads(value) if item.get("schema") else value}
        values["is_hidden_value"] = _is_true(item["is_hidden_value"])
    except BadParameters as error:
        return {"value": str(error)}
    except (ValueError, TypeError):
        return {"value": "The value is not JSON, as its schema demands"}
    caller = _in_tenant(importer, item["tenant_name"])
    try:
        with importer.session.begin_nested():
            create_secret(importer.session, caller, importer.sealer, item["key"], values)
    except Conflict:
        return _collide(importer, caller, values, colliding)
    except RequestError as error:
        return {"secret": str(error)}
    return {}


def _collide(
    importer: Importer, caller: Caller, values: Item, colliding: dict[str, list[str]]
) -> Item:
    colliding[values["tenant_name"]].append(values["key"])
    if not importer.override:
        return {}
    values = {name: value for name, value in values.items() if name != "creator"}
    try:
        with importer.session.begin_nested():
            update_secret(importer.session, caller, importer.sealer, values["key"], values)
    except RequestError as error:
        return {"secret": str(error)}
    return {}


def _problems(importer: Importer, item: Item, key: Passphrase | None) -> Iterator[tuple[str, Any]]:
    missing = [name for name in _NEEDED if item.get(name) in (None, "")]
    if missing:
        yield "missing secret fields", missing
    for name in _BOOLEANS:
        if name not in missing and not _is_boolean(item[name]):
            yield name, "Not boolean"
    if "visibility" not in missing and item["visibility"] not in VISIBILITIES:
        yield "visibility", "Not a valid visibility"
    if "encrypted" not in missing and _is_true(item["encrypted"]) and key is None:
        yield "No passphrase", "The secret is encrypted but no passphrase was given"
    if "tenant_name" not in missing and (problem := _tenant_problem(importer, item)):
        yield "tenant_name", problem


def _tenant_problem(importer: Importer, item: Item) -> str | None:
    name = item["tenant_name"]
    if not isinstance(name, str) or _tenant_id(importer, name) is None:
        return f"The tenant `{name}` was not found"
    if not importer.caller.is_admin and name != importer.caller.tenant:
        return f"User `{importer.caller.username}` imports into the request's tenant only"
    return None


def _check_tenant_map(importer: Importer) -> None:
    absent = [name for name in importer.tenant_map.values() if _tenant_id(importer, name) is None]
    if absent:
        raise BadParameters(
            f"The following destination tenants do not exist on the Manager: {absent}"
        )


def _in_tenant(importer: Importer, name: str) -> Caller:
    return replace(importer.caller, tenant=name, tenant_id=_tenant_id(importer, name))


def _tenant_id(importer: Importer, name: object) -> int | None:
    if not isinstance(name, str):
        return None
    return importer.session.scalar(select(Tenant.id).where(Tenant.name == name))


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool) or str(value).lower() in ("true", "false")


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"
