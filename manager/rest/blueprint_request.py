"""Read the request of a blueprint's upload: a form with `params`, or the query string."""

import json
import uuid
from typing import Any

from flask import request
from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters
from manager.files.tree import MAX_ID_BYTES
from manager.files.upload import Upload
from manager.rest.arguments import flag, moment
from manager.services.authentication import Caller
from manager.services.blueprint_labels import given_labels
from manager.services.blueprint_uploads import NewBlueprint, checked_visibility, main_file_name
from manager.services.resources import check_id
from manager.storage.models import PRIVATE, TENANT_WIDE, User

Parameters = dict[str, Any]


def upload_parameters(upload: Upload) -> Parameters:
    """Return what the request says beside the archive; raises BadParameters."""
    if not upload.fields and not upload.size:
        upload.size = None  # an empty body is no archive
    text = upload.fields.get("params")
    if not text:
        return dict(request.args)
    try:
        parameters = json.loads(text)
    except ValueError as error:
        raise BadParameters("The form's field `params` is not JSON") from error
    if not isinstance(parameters, dict):
        raise BadParameters("The form's field `params` is not a JSON object")
    return parameters


def wants_to_wait(parameters: Parameters) -> bool:
    """Tell whether the answer must wait until the blueprint is parsed."""
    return not flag(parameters.get("async_upload", False))


def new_blueprint(
    session: Session,
    caller: Caller,
    blueprint_id: str,
    parameters: Parameters,
    is_validation: bool,
) -> NewBlueprint:
    """Return what is to be made; raises BadParameters, or Forbidden for what a caller may not."""
    check_id("blueprint_id", blueprint_id)
    if len(blueprint_id) > MAX_ID_BYTES:
        raise BadParameters(f"The `blueprint_id` argument is longer than {MAX_ID_BYTES} characters")
    if is_validation:  # a blueprint of that id may exist
        blueprint_id = f"{blueprint_id[:200]}_validate_{uuid.uuid4().hex[:8]}"
    return NewBlueprint(
        id=blueprint_id,
        main_file_name=main_file_name(_text(parameters, "application_file_name")),
        visibility=_visibility(caller, parameters),
        url=_text(parameters, "blueprint_archive_url"),
        labels=tuple(given_labels(_list(parameters.get("labels")))),
        requirements=_requirements(parameters.get("requirements")),
        is_validation=is_validation,
        must_parse=not flag(parameters.get("skip_execution", False)),
        state=_text(parameters, "state"),
        **_restored(session, caller, parameters),
    )


def _restored(session: Session, caller: Caller, parameters: Parameters) -> Parameters:
    """Return what only the restoring of a snapshot may set."""
    found: Parameters = {}
    if created_at := _text(parameters, "created_at"):
        caller.require("set_timestamp")
        found["created_at"] = moment("created_at", created_at)
    if created_by := _text(parameters, "created_by"):
        caller.require("set_owner")
        found["creator_id"] = session.scalar(select(User.id).where(User.username == created_by))
        if found["creator_id"] is None:
            raise BadParameters(f"There is no user {created_by}")
    return found


def _visibility(caller: Caller, parameters: Parameters) -> str:
    if flag(parameters.get("private_resource", False)):
        return PRIVATE
    return checked_visibility(caller, parameters.get("visibility") or TENANT_WIDE)


def _text(parameters: Parameters, name: str) -> str | None:
    value = parameters.get(name) or None
    if value is not None and not isinstance(value, str):
        raise BadParameters(f"{name} must be a string")
    return value


def _list(value: object) -> object:
    if not isinstance(value, str):
        return value or []
    try:
        return json.loads(value) if value else []
    except ValueError as error:
        raise BadParameters("labels is not JSON") from error


def _requirements(value: object) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise BadParameters("requirements must be an object")
    return value or None
