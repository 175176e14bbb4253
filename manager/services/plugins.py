"""Keep plugins: their metadata, their files, and where they are installed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from manager.dsl.catalogue import yaml_for_version
from manager.errors import BadParameters, Conflict, NotFound, PluginInUse
from manager.files.plugin_archive import PluginFiles
from manager.files.tree import FileTree
from manager.files.write import remove
from manager.services.authentication import Caller
from manager.services.resources import find, find_to_change
from manager.services.users import get_user
from manager.storage.models import (
    GLOBAL,
    TENANT_WIDE,
    Blueprint,
    Manager,
    Plugin,
    PluginState,
)
from manager.storage.upsert import upsert

STATES = (
    "pending-install",
    "installing",
    "installed",
    "error",
    "pending-uninstall",
    "uninstalling",
    "uninstalled",
)
_CHANGEABLE = ("title", "blueprint_labels", "labels", "resource_tags")
_USES = (  # where a blueprint's plan lists the plugins that it needs
    "deployment_plugins_to_install",
    "workflow_plugins_to_install",
    "host_agent_plugins_to_install",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """What the request of an upload says beside the files."""

    id: str
    visibility: str = TENANT_WIDE
    title: str | None = None
    uploaded_at: datetime | None = None
    creator: str | None = None


def add_plugin(
    session: Session, caller: Caller, tree: FileTree, new: NewPlugin, files: PluginFiles
) -> Plugin:
    """Store a plugin with its files; raises Conflict when the tenant has this wagon already."""
    tenant_id = caller.require_tenant()
    _require_right(caller, new)
    # Two uploads of one wagon at once: the second one waits here and then finds the first.
    lock = func.pg_advisory_xact_lock(func.hashtextextended(files.archive_name, 0))
    session.execute(select(lock))
    _check_is_new(session, tenant_id, new, files)
    creator_id = get_user(session, new.creator).id if new.creator else caller.user_id
    plugin = Plugin(
        id=new.id,
        tenant_id=tenant_id,
        creator_id=creator_id,
        visibility=new.visibility,
        archive_name=files.archive_name,
        title=new.title or files.wagon.package_name,
        yaml_names=list(files.yaml_names),
        blueprint_labels=files.blueprint_labels,
        labels=files.labels,
        resource_tags=files.resource_tags,
        uploaded_at=new.uploaded_at or datetime.now(UTC),
        **asdict(files.wagon),
    )
    session.add(plugin)
    session.flush()
    files.keep(tree.plugin(plugin.id))
    return plugin


def update_plugin(
    session: Session, caller: Caller, plugin_id: str, changes: dict[str, object]
) -> Plugin:
    """Change a plugin's title, labels, tags or owner."""
    plugin = find_to_change(session, caller, Plugin, plugin_id)
    unknown = changes.keys() - {*_CHANGEABLE, "creator"}
    if unknown or not changes:
        raise BadParameters(f"Send some of creator, {', '.join(_CHANGEABLE)}, and nothing else")
    if "creator" in changes:
        caller.require("set_owner")
        plugin.creator_id = get_user(session, str(changes["creator"])).id
    for name in _CHANGEABLE:
        if name in changes:
            setattr(plugin, name, _checked(name, changes[name]))
    session.flush()
    return plugin


def delete_plugin(session: Session, caller: Caller, plugin_id: str, *, force: bool) -> Plugin:
    """Forget a plugin; raises PluginInUse while a blueprint needs it, unless forced."""
    plugin = find_to_change(session, caller, Plugin, plugin_id)
    users = list(_blueprints_with(session, plugin))
    if users and not force:
        raise PluginInUse(
            f'Plugin "{plugin_id}" is currently in use in blueprints: {", ".join(users)}.'
            ' You can "force" plugin removal if needed.'
        )
    session.delete(plugin)
    session.flush()
    return plugin


def remove_plugin_files(tree: FileTree, plugin_id: str) -> None:
    """Remove a plugin's files from the tree."""
    remove(tree.plugin(plugin_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a plugin is installed: a manager or an agent."""

    manager: str | None = None
    agent: str | None = None


def set_plugin_state(
    session: Session, plugin: Plugin, place: Place, state: str, error: str | None = None
) -> None:
    """Note how far a plugin's installation is; raises NotFound for an unknown manager."""
    if state not in STATES:
        raise BadParameters(f"{state!r} is not a state of a plugin: use one of {list(STATES)}")
    upsert(
        session,
        PluginState,
        ("plugin_key", "manager_id", "agent_name"),
        plugin_key=plugin.key,
        manager_id=_manager_id(session, place.manager),
        agent_name=place.agent,
        state=state,
        error=error,
    )


def yaml_name(plugin: Plugin, dsl_version: str | None) -> str:
    """Return which YAML file of a plugin a DSL version, for instance `1_4`, takes."""
    names = [Path(name) for name in plugin.yaml_names or ()]
    return yaml_for_version(names, dsl_version).name


def plugin_to_read(session: Session, caller: Caller, plugin_id: str) -> Plugin:
    """Return a plugin that the caller may read; raises NotFound."""
    return find(session, caller, Plugin, plugin_id)


def _manager_id(session: Session, hostname: str | None) -> int | None:
    if hostname is None:
        return None
    found = session.scalar(select(Manager.id).where(Manager.hostname == hostname))
    if found is None:
        raise NotFound.of("Manager", hostname)
    return found


def _require_right(caller: Caller, new: NewPlugin) -> None:
    if new.visibility == GLOBAL:
        caller.require("create_global_resource")
    if new.creator:
        caller.require("set_owner")
    if new.uploaded_at:
        caller.require("set_timestamp")


def _check_is_new(session: Session, tenant_id: int, new: NewPlugin, files: PluginFiles) -> None:
    same_wagon = (
        (Plugin.package_name == files.wagon.package_name)
        & (Plugin.package_version == files.wagon.package_version)
        & (Plugin.archive_name == files.archive_name)
    )
    # A global plugin is alone: there is none like it in any tenant.
    near = or_(Plugin.tenant_id == tenant_id, Plugin.visibility == GLOBAL)
    if session.scalar(select(Plugin.key).where(Plugin.id == new.id).limit(1)) is not None:
        raise Conflict(f"plugin with id={new.id} already exists")
    where = same_wagon if new.visibility == GLOBAL else same_wagon & near
    if session.scalar(select(Plugin.key).where(where).limit(1)) is not None:
        raise Conflict(
            f"a plugin archive by the name of {files.archive_name} already exists for package with"
            f" name {files.wagon.package_name} and version {files.wagon.package_version}"
        )


def _blueprints_with(session: Session, plugin: Plugin) -> Iterator[str]:
    needs = [{"package_name": plugin.package_name, "package_version": plugin.package_version}]
    uses: list[ColumnElement[bool]] = [Blueprint.plan[name].contains(needs) for name in _USES]
    query = select(Blueprint.id).where(or_(*uses)).order_by(Blueprint.id)
    if plugin.visibility != GLOBAL:
        query = query.where(Blueprint.tenant_id == plugin.tenant_id)
    yield from session.scalars(query)


def _checked(name: str, value: object) -> object:
    wanted = str if name == "title" else dict
    if value is not None and not isinstance(value, wanted):
        raise BadParameters(f"{name} is expected to be a {wanted.__name__}")
    return value
