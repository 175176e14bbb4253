"""Change and delete blueprints."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cloudify.models_states import BlueprintUploadState as State
from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, BlueprintInUse, Conflict, DependentExists, IllegalAction
from manager.files.tree import FileTree
from manager.services.authentication import Caller
from manager.services.blueprint_files import (
    remove_archive,
    remove_blueprint_files,
    unpack_blueprint,
)
from manager.services.blueprint_labels import Label, given_labels, labels_of_plan, set_labels
from manager.services.blueprint_uploads import checked_visibility
from manager.settings import Settings
from manager.storage.models import Blueprint, Deployment

_TEXTS = ("description", "main_file_name", "error", "error_traceback")


def delete_blueprint(
    session: Session, caller: Caller, settings: Settings, blueprint: Blueprint, *, force: bool
) -> None:
    """Delete a blueprint with its files.

    Raises DependentExists while it has deployments, and BlueprintInUse, unless by `force`, while
    another blueprint imports it.
    """
    if not force and (importer := _importer(session, blueprint)):
        raise BlueprintInUse(
            f"Blueprint {blueprint.id} is currently in use by blueprint {importer}."
            ' You can "force" blueprint removal.'
        )
    deployments = session.scalars(
        select(Deployment.id).where(Deployment.blueprint_key == blueprint.key)
    ).all()
    if deployments:
        raise DependentExists(
            f"Can't delete blueprint {blueprint.id} - There exist deployments for this blueprint;"
            f" Deployments ids: {','.join(deployments)}"
        )
    session.delete(blueprint)
    session.flush()
    remove_blueprint_files(session, settings, caller.tenant or "", blueprint.id)


def update_blueprint(
    session: Session,
    caller: Caller,
    settings: Settings,
    blueprint: Blueprint,
    changes: Mapping[str, Any],
) -> None:
    """Change a blueprint; the state `uploaded` publishes its files, a failed one removes them.

    Raises BadParameters for a value that a field cannot have, Conflict for labels at a time when
    the blueprint has none.
    """
    for name in _TEXTS:
        if name in changes:
            setattr(blueprint, name, _text(name, changes[name]))
    if "plan" in changes:
        blueprint.plan = _document("plan", changes["plan"])
    if changes.get("requirements") is not None:
        blueprint.requirements = _document("requirements", changes["requirements"])
    if changes.get("visibility"):
        blueprint.visibility = checked_visibility(caller, changes["visibility"])
    labels = None if changes.get("labels") is None else given_labels(changes["labels"])
    if changes.get("state"):
        _set_state(blueprint, changes, has_labels=labels is not None)
        _follow_state(session, caller, settings, blueprint, labels or [])
    elif labels is not None:
        _require_uploaded(blueprint)
        set_labels(session, blueprint, labels, caller.user_id)
    blueprint.updated_at = datetime.now(UTC)


def finish_validation(
    session: Session, caller: Caller, settings: Settings, blueprint: Blueprint
) -> None:
    """Forget a blueprint that was only to be validated."""
    session.delete(blueprint)
    remove_archive(session, settings, caller.tenant or "", blueprint.id)


def _set_state(blueprint: Blueprint, changes: Mapping[str, Any], *, has_labels: bool) -> None:
    state = changes["state"]
    if state not in State.STATES:
        raise BadParameters(
            f"Invalid state: `{state}`. Valid blueprint state values are: {State.STATES}"
        )
    if state != State.UPLOADED and has_labels:
        raise Conflict(
            "Blueprint labels can be created only if the provided blueprint state is"
            f" {State.UPLOADED}"
        )
    blueprint.state = state
    blueprint.error = _text("error", changes.get("error"))
    blueprint.error_traceback = _text("error_traceback", changes.get("error_traceback"))


def _follow_state(
    session: Session, caller: Caller, settings: Settings, blueprint: Blueprint, labels: list[Label]
) -> None:
    """Publish the files of a blueprint that is uploaded; drop the archive of one that failed."""
    tenant = caller.tenant or ""
    if blueprint.state in State.FAILED_STATES:
        remove_archive(session, settings, tenant, blueprint.id)
    if blueprint.state != State.UPLOADED:
        return
    archive = FileTree(settings.paths.resources).archive(tenant, blueprint.id)
    if archive is None:
        raise IllegalAction(f"Blueprint {blueprint.id} has no archive on this manager")
    unpack_blueprint(session, settings, tenant, archive)
    declared = labels_of_plan(blueprint.plan)
    set_labels(session, blueprint, [*declared, *labels], caller.user_id)


def _require_uploaded(blueprint: Blueprint) -> None:
    if blueprint.state != State.UPLOADED:
        raise Conflict(
            "Blueprint labels can only be updated if the blueprint was uploaded successfully"
        )


def _importer(session: Session, blueprint: Blueprint) -> str | None:
    """Return a blueprint whose plan imports this one."""
    imported = Blueprint.plan["imported_blueprints"]
    query = select(Blueprint.id).where(
        imported.has_key(blueprint.id), Blueprint.key != blueprint.key
    )
    if blueprint.visibility != "global":
        query = query.where(Blueprint.tenant_id == blueprint.tenant_id)
    return session.scalar(query.limit(1))


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise BadParameters(f"{name} must be a string")


def _document(name: str, value: object) -> dict[str, Any] | None:
    if value is None or isinstance(value, dict):
        return value
    raise BadParameters(f"{name} must be an object")
