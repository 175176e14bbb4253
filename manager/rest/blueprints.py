"""/blueprints: upload, read, change and delete blueprints."""

from typing import Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from manager.errors import IllegalAction
from manager.files.tree import FileTree
from manager.files.upload import Upload
from manager.rest.arguments import flag_argument
from manager.rest.auth import authorize
from manager.rest.blueprint_request import new_blueprint, upload_parameters, wants_to_wait
from manager.rest.blueprint_wait import wait_until_uploaded
from manager.rest.context import caller, services, session
from manager.rest.envelope import Body, json_object
from manager.rest.sending import caller_headers, send_local, send_remote
from manager.rest.uploads import takes_upload
from manager.rest.views import listing_of, one_of
from manager.services.blueprint_files import fetcher, set_icon, tenant_of
from manager.services.blueprint_uploads import (
    checked_visibility,
    create_blueprint,
    replace_archive,
)
from manager.services.blueprints import delete_blueprint, finish_validation, update_blueprint
from manager.services.resources import find, find_to_change
from manager.services.visibility import widen
from manager.storage.models import Blueprint as BlueprintRow
from manager.storage.views.blueprints import BLUEPRINTS

blueprint = Blueprint("blueprints", __name__)


@blueprint.get("/blueprints")
@authorize("blueprint_list")
def get_blueprints() -> Body | list[Body]:
    """Answer the blueprints that the caller may see."""
    return listing_of(BLUEPRINTS)


@blueprint.get("/blueprints/<blueprint_id>")
@authorize("blueprint_get")
def get_blueprint(blueprint_id: str) -> Body:
    """Answer one blueprint."""
    return one_of(BLUEPRINTS, blueprint_id)


@blueprint.put("/blueprints/<blueprint_id>")
def put_blueprint(blueprint_id: str) -> ResponseReturnValue:
    """Take in a blueprint; unless the upload is asynchronous, answer when it is parsed."""
    item, must_wait = _upload(blueprint_id, is_validation=False)
    return (wait_until_uploaded(blueprint_id) if must_wait else item), 201


@blueprint.put("/blueprints/<blueprint_id>/validate")
def validate_blueprint(blueprint_id: str) -> ResponseReturnValue:
    """Have a blueprint parsed and forgotten."""
    item, _ = _upload(blueprint_id, is_validation=True)
    return item, 201


@takes_upload("blueprint_upload")
def _upload(upload: Upload, blueprint_id: str, *, is_validation: bool) -> tuple[Body, bool]:
    parameters = upload_parameters(upload)
    must_wait = wants_to_wait(parameters)
    new = new_blueprint(session(), caller(), blueprint_id, parameters, is_validation)
    create_blueprint(session(), caller(), services().settings, new, upload)
    session().flush()
    return one_of(BLUEPRINTS, new.id), new.must_parse and must_wait


@blueprint.patch("/blueprints/<blueprint_id>")
@authorize("blueprint_upload")
def patch_blueprint(blueprint_id: str) -> Body:
    """Change a blueprint, or tell how its upload goes."""
    changes: dict[str, Any] = json_object()
    if not changes:
        raise IllegalAction("Update a blueprint request must include a parameter to update")
    row = find_to_change(session(), caller(), BlueprintRow, blueprint_id)
    before = one_of(BLUEPRINTS, blueprint_id)
    if row.state == "validating":
        finish_validation(session(), caller(), services().settings, row)
        return before
    update_blueprint(session(), caller(), services().settings, row, changes)
    session().flush()
    return one_of(BLUEPRINTS, blueprint_id)


@blueprint.delete("/blueprints/<blueprint_id>")
@authorize("blueprint_delete")
def delete(blueprint_id: str) -> ResponseReturnValue:
    """Delete a blueprint that nothing uses."""
    row = find_to_change(session(), caller(), BlueprintRow, blueprint_id)
    force = flag_argument("force")
    delete_blueprint(session(), caller(), services().settings, row, force=force)
    return "", 204


@blueprint.get("/blueprints/<blueprint_id>/archive")
@authorize("blueprint_download")
def get_archive(blueprint_id: str) -> Response:
    """Answer the archive as it was uploaded, from the manager that has it."""
    row = find(session(), caller(), BlueprintRow, blueprint_id)
    tree = FileTree(services().settings.paths.resources)
    tenant = tenant_of(session(), row)
    if path := tree.archive(tenant, blueprint_id):
        return send_local(path, path.name)
    folder = tree.archives(tenant, blueprint_id)
    source = fetcher(session(), services().settings, folder, caller_headers())
    path, peer = source.locate_archive(tenant, blueprint_id)
    return send_remote(source.files, peer, source.url_path(path), path.name)


@blueprint.put("/blueprints/<blueprint_id>/archive")
@takes_upload("blueprint_upload")
def put_archive(upload: Upload, blueprint_id: str) -> Body:
    """Take the archive of a blueprint that is being uploaded from a URL."""
    row = find_to_change(session(), caller(), BlueprintRow, blueprint_id)
    replace_archive(session(), services().settings, caller(), row, upload)
    return one_of(BLUEPRINTS, blueprint_id)


@blueprint.patch("/blueprints/<blueprint_id>/set-visibility")
@authorize("resource_set_visibility")
def set_visibility(blueprint_id: str) -> Body:
    """Let more people see a blueprint."""
    row = find_to_change(session(), caller(), BlueprintRow, blueprint_id)
    visibility = checked_visibility(caller(), json_object().get("visibility"))
    widen(session(), row, visibility)
    session().flush()
    return one_of(BLUEPRINTS, blueprint_id)


@blueprint.patch("/blueprints/<blueprint_id>/icon")
@takes_upload("blueprint_upload")
def patch_icon(upload: Upload, blueprint_id: str) -> Response:
    """Set a blueprint's icon, or remove it when the request has no body."""
    find_to_change(session(), caller(), BlueprintRow, blueprint_id)
    set_icon(session(), services().settings, caller().tenant or "", blueprint_id, upload)
    return jsonify(one_of(BLUEPRINTS, blueprint_id))
