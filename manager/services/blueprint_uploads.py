"""Take in a blueprint: its row, its archive, and the workflow that makes a plan of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudify.models_states import BlueprintUploadState as State
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Conflict, IllegalAction
from manager.files.names import file_name_of
from manager.files.tree import FileTree
from manager.files.unpack import archive_format
from manager.files.upload import Upload
from manager.files.write import remove
from manager.services.authentication import Caller
from manager.services.executions import StartOptions, start_system_workflow
from manager.services.folder_writes import note_write
from manager.services.visibility import parse_visibility
from manager.settings import Settings
from manager.storage.models import GLOBAL, TENANT_WIDE, Blueprint

_MAIN_FILE = "blueprint.yaml"
_MARKETPLACE = "https://marketplace.cloudify.co"  # a parameter that clients see; nobody asks it
_WORKFLOW = "upload_blueprint"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBlueprint:
    """What an upload's request says; the archive comes with it, or from `url`."""

    id: str
    main_file_name: str = _MAIN_FILE
    visibility: str = TENANT_WIDE
    url: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    requirements: Mapping[str, Any] | None = field(default=None, hash=False)
    state: str | None = None
    created_at: datetime | None = None
    creator_id: int | None = None
    is_validation: bool = False
    must_parse: bool = True  # false: what restores a snapshot brings the plan itself


def main_file_name(quoted: str | None) -> str:
    """Return the name of a blueprint's main file; raises BadParameters for one outside."""
    return file_name_of(quoted) or _MAIN_FILE


def checked_visibility(caller: Caller, value: object) -> str:
    """Return a visibility that the caller may give; raises BadParameters, Forbidden."""
    visibility = parse_visibility(value)
    if visibility == GLOBAL:
        caller.require("create_global_resource")
    return visibility


def create_blueprint(
    session: Session, caller: Caller, settings: Settings, new: NewBlueprint, upload: Upload
) -> Blueprint:
    """Store a new blueprint with its archive and let a worker parse it after the commit.

    Raises BadParameters without archive, BadArchive for what is none, Conflict when the id is
    taken by one that did not fail.
    """
    if (new.url is None) == (upload.size is None):
        raise BadParameters("An upload needs the blueprint's archive or its URL, and not both")
    if upload.size is not None:
        archive_format(upload.path)  # raises BadArchive
    blueprint = _insert(session, caller, new)
    if upload.size is not None:
        store_archive(session, settings, caller, blueprint, upload)
    if new.must_parse:
        _start_parsing(session, caller, settings, new, blueprint)
    return blueprint


def store_archive(
    session: Session, settings: Settings, caller: Caller, blueprint: Blueprint, upload: Upload
) -> None:
    """Put a blueprint's archive into the tree, in place of one that is there."""
    tree = FileTree(settings.paths.resources)
    folder = tree.archives(caller.tenant or "", blueprint.id)
    target = folder / f"{blueprint.id}.{archive_format(upload.path)}"
    upload.keep(target)
    for other in folder.iterdir():
        if other != target:  # of another format
            remove(other)
    note_write(session, settings.manager.hostname, tree.relative(folder))


def replace_archive(
    session: Session, settings: Settings, caller: Caller, blueprint: Blueprint, upload: Upload
) -> None:
    """Store the archive of a blueprint that is being uploaded; raises IllegalAction afterwards."""
    if blueprint.state not in (State.PENDING, State.UPLOADING):
        raise IllegalAction(
            f"The archive of blueprint {blueprint.id} cannot be set: its state is {blueprint.state}"
        )
    if not upload.size:
        raise BadParameters("The request has no archive")
    store_archive(session, settings, caller, blueprint, upload)


def _insert(session: Session, caller: Caller, new: NewBlueprint) -> Blueprint:
    tenant_id = caller.require_tenant()
    _make_room(session, caller, new)
    times = {"created_at": new.created_at} if new.created_at else {}
    blueprint = Blueprint(
        id=new.id,
        tenant_id=tenant_id,
        creator_id=new.creator_id or caller.user_id,
        visibility=new.visibility,
        main_file_name=new.main_file_name,
        requirements=dict(new.requirements) if new.requirements else None,
        state=new.state or _first_state(new),
        **times,
    )
    session.add(blueprint)
    try:
        session.flush()
    except IntegrityError as error:  # another upload of the same id was quicker
        raise _taken(caller, new.id) from error
    return blueprint


def _first_state(new: NewBlueprint) -> str:
    if new.is_validation:
        return str(State.VALIDATING)
    return str(State.PENDING if new.url else State.UPLOADING)


def _make_room(session: Session, caller: Caller, new: NewBlueprint) -> None:
    """Delete a blueprint of the id whose upload failed; raise Conflict for any other."""
    same = select(Blueprint).where(Blueprint.id == new.id)
    if new.visibility != GLOBAL:
        own = Blueprint.tenant_id == caller.tenant_id
        same = same.where(or_(own, Blueprint.visibility == GLOBAL))
    for found in session.scalars(same.with_for_update()):
        if found.tenant_id != caller.tenant_id or found.state not in State.FAILED_STATES:
            raise _taken(caller, new.id) if new.visibility != GLOBAL else _not_alone(new.id)
        session.delete(found)
    session.flush()


def _taken(caller: Caller, blueprint_id: str) -> Conflict:
    return Conflict(
        f"blueprint with id={blueprint_id} already exists on tenant {caller.tenant} or with"
        " global visibility"
    )


def _not_alone(blueprint_id: str) -> Conflict:
    return Conflict(
        f"Can't set or create the resource `{blueprint_id}`, its visibility can't be global because"
        " it also exists in other tenants"
    )


def _start_parsing(
    session: Session, caller: Caller, settings: Settings, new: NewBlueprint, blueprint: Blueprint
) -> None:
    execution = start_system_workflow(
        session,
        caller,
        _WORKFLOW,
        parameters={
            "blueprint_id": new.id,
            "app_file_name": new.main_file_name,
            "url": new.url,
            "file_server_root": str(settings.paths.resources),
            "marketplace_api_url": _MARKETPLACE,
            "validate_only": new.is_validation,
            "labels": [{"key": key, "value": value} for key, value in new.labels],
        },
        options=StartOptions(allow_overlap=True),
    )
    execution.visibility = new.visibility
    blueprint.upload_execution_key = execution.key
