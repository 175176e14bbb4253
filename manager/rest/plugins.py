"""/plugins: upload, read, install and delete plugins."""

import uuid

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from manager.errors import BadParameters, Conflict
from manager.files.plugin_archive import unpacked_plugin
from manager.files.tree import FileTree
from manager.files.upload import Upload
from manager.rest.arguments import flag, flag_argument, moment
from manager.rest.auth import authorize
from manager.rest.body import Body, body_list, body_text, required_text
from manager.rest.context import caller, services, session
from manager.rest.envelope import json_object
from manager.rest.plugin_files import send_all, send_one
from manager.rest.uploads import takes_upload
from manager.rest.views import listing_of, one_of
from manager.services import plugins
from manager.services.blueprint_files import unpack_limits
from manager.services.folder_writes import forget_folder, note_write
from manager.services.plugin_installation import install_plugin, uninstall_plugin
from manager.services.plugins import NewPlugin, Place
from manager.services.resources import check_id, find_to_change
from manager.services.visibility import parse_visibility, widen
from manager.storage.models import GLOBAL, TENANT_WIDE, Plugin
from manager.storage.views.plugins import PLUGIN

blueprint = Blueprint("plugins", __name__)


@blueprint.get("/plugins")
@authorize("plugin_list")
def get_all() -> Body | list[Body]:
    """Answer the plugins that the caller may see."""
    return listing_of(PLUGIN)


@blueprint.post("/plugins")
@takes_upload("plugin_upload")
def upload(sent: Upload) -> ResponseReturnValue:
    """Store a plugin: a zip of its wagon, plugin.yaml files and icon."""
    settings = services().settings
    tree = FileTree(settings.paths.resources)
    new = _new_plugin()
    if not sent.size:
        raise BadParameters("The request has no archive: upload the plugin itself, not its URL")
    with unpacked_plugin(sent.path, tree.incoming, unpack_limits(settings)) as files:
        plugins.add_plugin(session(), caller(), tree, new, files)
    note_write(session(), settings.manager.hostname, tree.relative(tree.plugin(new.id)))
    return one_of(PLUGIN, new.id), 201


@blueprint.get("/plugins/<plugin_id>")
@authorize("plugin_get")
def get_one(plugin_id: str) -> Body:
    """Answer a plugin."""
    return one_of(PLUGIN, plugin_id)


@blueprint.put("/plugins/<plugin_id>")
@authorize("plugin_upload")
def set_state(plugin_id: str) -> Body:
    """Note how far the plugin's installation is on a manager or an agent; workers tell."""
    body = json_object()
    place = Place(manager=body_text(body, "manager"), agent=body_text(body, "agent"))
    if (place.manager is None) is (place.agent is None):
        raise Conflict("Expected agent or manager, got both or none")
    plugin = plugins.plugin_to_read(session(), caller(), plugin_id)
    state, error = required_text(body, "state"), body_text(body, "error")
    plugins.set_plugin_state(session(), plugin, place, state, error)
    return one_of(PLUGIN, plugin_id)


@blueprint.post("/plugins/<plugin_id>")
@authorize("plugin_upload")
def install(plugin_id: str) -> Body:
    """Have the plugin installed on managers and agents now, not with its first use."""
    body = json_object()
    if body_text(body, "action") != "install":
        raise BadParameters(f"Unknown action: {body.get('action')}")
    places = [
        *(Place(manager=name) for name in _names(body, "managers")),
        *(Place(agent=name) for name in _names(body, "agents")),
    ]
    plugin = plugins.plugin_to_read(session(), caller(), plugin_id)
    install_plugin(session(), caller(), plugin, one_of(PLUGIN, plugin_id), places)
    return one_of(PLUGIN, plugin_id)


@blueprint.patch("/plugins/<plugin_id>")
@authorize("plugin_upload")
def patch(plugin_id: str) -> Body:
    """Change a plugin's title, labels, tags or owner."""
    plugins.update_plugin(session(), caller(), plugin_id, json_object())
    return one_of(PLUGIN, plugin_id)


@blueprint.delete("/plugins/<plugin_id>")
@authorize("plugin_delete")
def delete(plugin_id: str) -> tuple[str, int]:
    """Delete a plugin that no blueprint needs."""
    item = one_of(PLUGIN, plugin_id)
    force = flag(json_object().get("force", False)) if request.data else flag_argument("force")
    plugins.delete_plugin(session(), caller(), plugin_id, force=force)
    uninstall_plugin(session(), caller(), item)
    tree = FileTree(services().settings.paths.resources)
    forget_folder(session(), tree.relative(tree.plugin(plugin_id)))
    plugins.remove_plugin_files(tree, plugin_id)
    return "", 204


@blueprint.get("/plugins/<plugin_id>/archive")
@authorize("plugin_download")
def get_archive(plugin_id: str) -> Response:
    """Answer the wagon, or with `full_archive` a zip of everything that was uploaded."""
    plugin = plugins.plugin_to_read(session(), caller(), plugin_id)
    if flag_argument("full_archive"):
        return send_all(plugin)
    return send_one(plugin, plugin.archive_name)


@blueprint.get("/plugins/<plugin_id>/yaml")
@authorize("plugin_download")
def get_yaml(plugin_id: str) -> Response:
    """Answer the plugin.yaml, that of `dsl_version` if there is one."""
    plugin = plugins.plugin_to_read(session(), caller(), plugin_id)
    name = plugins.yaml_name(plugin, request.args.get("dsl_version"))
    return send_one(plugin, name)


@blueprint.patch("/plugins/<plugin_id>/set-visibility")
@authorize("resource_set_visibility")
def set_visibility(plugin_id: str) -> Body:
    """Let more people see a plugin."""
    plugin = find_to_change(session(), caller(), Plugin, plugin_id)
    visibility = parse_visibility(json_object().get("visibility"))
    if visibility == GLOBAL:
        caller().require("create_global_resource")
    widen(session(), plugin, visibility)
    session().flush()
    return one_of(PLUGIN, plugin_id)


def _new_plugin() -> NewPlugin:
    arguments = request.args
    uploaded_at = arguments.get("uploaded_at")
    return NewPlugin(
        id=str(_uuid(arguments.get("id"))),
        visibility=parse_visibility(arguments.get("visibility") or TENANT_WIDE),
        title=arguments.get("title"),
        uploaded_at=moment("uploaded_at", uploaded_at) if uploaded_at else None,
        creator=arguments.get("created_by"),
    )


def _uuid(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text) if text else uuid.uuid4()
    except ValueError as error:
        raise BadParameters(f"id is not a UUID: {text!r}") from error


def _names(body: Body, key: str) -> list[str]:
    return [check_id(key, name) for name in body_list(body, key) or ()]
