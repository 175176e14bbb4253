"""/secrets: values that the database holds sealed."""

from dataclasses import replace

from flask import Blueprint, request

from manager.errors import BadParameters, MissingPremium
from manager.rest.arguments import flag
from manager.rest.auth import authorize
from manager.rest.body import Body, body_list, body_object, body_text
from manager.rest.context import caller, services, session
from manager.rest.envelope import json_object
from manager.rest.list_query import list_query
from manager.rest.views import listing_of, one_of, page_of
from manager.services import secrets
from manager.services.encryption import Sealer
from manager.services.secret_sharing import Importer, exported, import_secrets
from manager.storage.views.secrets import SECRET, SECRETS

blueprint = Blueprint("secrets", __name__)


@blueprint.get("/secrets")
@authorize("secret_list")
def get_all() -> Body | list[Body]:
    """Answer the secrets that the caller may see, without their values."""
    return listing_of(SECRETS)


@blueprint.get("/secrets/<key>")
@authorize("secret_get")
def get_one(key: str) -> Body:
    """Answer a secret with its value; a hidden one is empty for others than its creator."""
    item = one_of(SECRET, key)
    if "value" in item:
        item["value"] = secrets.readable_value(session(), caller(), _sealer(), key)
    return item


@blueprint.put("/secrets/<key>")
@authorize("secret_create")
def put(key: str) -> Body:
    """Store a secret; with `update_if_exists` over one that exists."""
    values = _values()
    if flag(values.get("update_if_exists", False)):
        secrets.create_or_update_secret(session(), caller(), _sealer(), key, values)
    else:
        secrets.create_secret(session(), caller(), _sealer(), key, values)
    return one_of(SECRET, key)


@blueprint.patch("/secrets/<key>")
@authorize("secret_update")
def patch(key: str) -> Body:
    """Change what is given of a secret."""
    values = _values()
    if not values:
        raise BadParameters("Update a secret request must include at least one parameter to update")
    secrets.update_secret(session(), caller(), _sealer(), key, values)
    return one_of(SECRET, key)


@blueprint.delete("/secrets/<key>")
@authorize("secret_delete")
def delete(key: str) -> tuple[str, int]:
    """Remove a secret."""
    secrets.delete_secret(session(), caller(), key)
    return "", 204


@blueprint.patch("/secrets/<key>/set-visibility")
@authorize("secret_update")
def set_visibility(key: str) -> Body:
    """Let more users see a secret."""
    secrets.set_secret_visibility(session(), caller(), key, json_object().get("visibility"))
    return one_of(SECRET, key)


@blueprint.get("/secrets/share/export")
@authorize("secret_export")
def export() -> list[Body]:
    """Answer secrets with their values, for another manager; others' hidden ones are left out."""
    query = replace(list_query(), size=None, include=None)
    items, _ = page_of(SECRET, query)
    readable = [item for item in items if secrets.may_read(caller(), item)]
    return exported(readable, _sealer(), request.args.get("_passphrase"))


@blueprint.post("/secrets/share/import")
@authorize("secret_import")
def import_() -> Body:
    """Store what another manager exported."""
    body = json_object()
    given = body_list(body, "secrets_list")
    if given is None:
        raise BadParameters("Missing secrets_list in json request body")
    importer = Importer(
        session=session(),
        caller=caller(),
        sealer=_sealer(),
        passphrase=body_text(body, "passphrase"),
        tenant_map=body_object(body, "tenant_map") or {},
        override=flag(body.get("override_collisions", False)),
    )
    return import_secrets(importer, given)


@blueprint.get("/secrets-providers")
@authorize("secrets_provider_list")
def get_providers() -> Body:
    """Refuse: secrets are kept by the manager alone."""
    raise MissingPremium


def _values() -> Body:
    body = json_object()
    body_text(body, "visibility"), body_text(body, "creator"), body_text(body, "provider_name")
    if "is_hidden_value" in body:
        body["is_hidden_value"] = flag(body["is_hidden_value"])
    return body


def _sealer() -> Sealer:
    return Sealer.of(services().settings.security)
