"""Read and change the settings that are kept in the database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from manager.errors import BadParameters, Conflict, NotFound
from manager.storage.models import ConfigEntry, User

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def list_config(session: Session, scope: str | None, *, as_admin: bool) -> list[ConfigEntry]:
    """Return the settings of a scope, or of all."""
    query = (
        select(ConfigEntry)
        .options(joinedload(ConfigEntry.updater))
        .order_by(ConfigEntry.scope, ConfigEntry.name)
    )
    if scope is not None:
        query = query.where(ConfigEntry.scope == scope)
    if not as_admin:
        query = query.where(ConfigEntry.admin_only.is_(False))
    return list(session.scalars(query))


def config_values(session: Session, scope: str) -> dict[str, Any]:
    """Return the values of a scope's settings by name."""
    query = select(ConfigEntry.name, ConfigEntry.value).where(ConfigEntry.scope == scope)
    return {row.name: row.value for row in session.execute(query)}


def find_config(session: Session, name: str, *, as_admin: bool) -> ConfigEntry:
    """Return the setting `name`, or `scope.name` when a name exists in several scopes."""
    scope, dot, rest = name.partition(".")
    entries = [
        entry
        for entry in list_config(session, scope if dot else None, as_admin=as_admin)
        if entry.name == (rest if dot else name)
    ]
    if not entries:
        raise NotFound(f"Requested `Config` with ID `{name}` was not found")
    if len(entries) > 1:
        scopes = ", ".join(entry.scope for entry in entries)
        raise Conflict(f"{name} exists in several scopes ({scopes}): ask for scope.name")
    return entries[0]


def set_config(
    session: Session, entry: ConfigEntry, value: object, user_id: int, *, force: bool = False
) -> None:
    """Change a setting's value; raises BadParameters when its schema or the operator forbids it."""
    if not entry.is_editable and not force:
        raise Conflict(f"{entry.name} is not editable; force changes it all the same")
    entry.value = checked_value(value, entry.schema or {})
    entry.updated_at = datetime.now(UTC)
    entry.updater = session.get_one(User, user_id)
    session.flush()


def checked_value(value: object, schema: Mapping[str, Any]) -> Any:
    """Return `value` as the schema's type; the command line sends numbers as strings."""
    wanted = schema.get("type")
    if wanted is not None:
        value = _converted(value, wanted)
    if "enum" in schema and value not in schema["enum"]:
        raise BadParameters(f"{value!r} is not one of {schema['enum']!r}")
    if isinstance(value, int | float):
        if value < schema.get("minimum", value):
            raise BadParameters(f"{value!r} is less than the minimum of {schema['minimum']!r}")
        if value > schema.get("maximum", value):
            raise BadParameters(f"{value!r} is greater than the maximum of {schema['maximum']!r}")
    return value


def _converted(value: object, wanted: str) -> object:
    if isinstance(value, str) and wanted in ("integer", "number"):
        try:
            return int(value) if wanted == "integer" else float(value)
        except ValueError as error:
            raise BadParameters(f"{value!r} is not of type {wanted!r}") from error
    if isinstance(value, str) and wanted == "boolean" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if type(value) not in _TYPES[wanted]:
        raise BadParameters(f"{value!r} is not of type {wanted!r}")
    return value
