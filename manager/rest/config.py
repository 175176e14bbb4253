"""/config: the settings that are kept in the database."""

from flask import Blueprint, request

from manager.errors import BadParameters
from manager.rest.arguments import flag
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, included, json_object, timestamp
from manager.services.config import find_config, list_config, set_config
from manager.storage.models import ConfigEntry

blueprint = Blueprint("config", __name__)


@blueprint.get("/config")
@authorize("manager_config_get")
def get_all() -> Body:
    """Answer the settings, or those of a `scope`."""
    entries = list_config(session(), request.args.get("scope"), as_admin=caller().is_admin)
    return {"metadata": {}, "items": [included(_serialise(entry)) for entry in entries]}


@blueprint.get("/config/<name>")
@authorize("manager_config_get")
def get_one(name: str) -> Body:
    """Answer the setting `name` or `scope.name`."""
    return _serialise(find_config(session(), name, as_admin=caller().is_admin))


@blueprint.put("/config/<name>")
@authorize("manager_config_put")
def put_one(name: str) -> Body:
    """Change a setting's value, and answer the setting."""
    body = json_object()
    if "value" not in body:
        raise BadParameters("Missing value in json request body")
    entry = find_config(session(), name, as_admin=True)
    force = flag(body.get("force", False))
    set_config(session(), entry, body["value"], caller().user_id, force=force)
    return _serialise(entry)


def _serialise(entry: ConfigEntry) -> Body:
    return {
        "name": entry.name,
        "value": entry.value,
        "schema": entry.schema,
        "is_editable": entry.is_editable,
        "admin_only": entry.admin_only,
        "updated_at": timestamp(entry.updated_at),
        "scope": entry.scope,
        "updater_name": entry.updater.username if entry.updater else None,
    }
