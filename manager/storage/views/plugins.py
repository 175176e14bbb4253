"""Plugins as clients see them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import String, Text, cast, func, null, select
from sqlalchemy.orm import Session

from manager.files.tree import PLUGINS as FOLDER
from manager.storage.models import Manager, Plugin, PluginState
from manager.storage.view import View, common_fields

_NOTHING = cast(null(), Text)  # columns of the original's past, which clients still get as null
_COMMON = common_fields(Plugin)
_LATER = ("tenant_name", "created_by", "resource_availability", "private_resource")


def installation_states(session: Session, keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return how far the plugins' installations are, by the plugin's key."""
    query = (
        select(
            PluginState.plugin_key,
            PluginState.state,
            PluginState.error,
            Manager.hostname,
            PluginState.agent_name,
        )
        .outerjoin(Manager, Manager.id == PluginState.manager_id)
        .where(PluginState.plugin_key.in_(keys))
        .order_by(Manager.hostname, PluginState.agent_name)
    )
    found: dict[int, list[dict[str, Any]]] = {}
    for key, state, error, manager, agent in session.execute(query):
        entry = {"state": state, "error": error, "manager": manager, "agent": agent}
        found.setdefault(key, []).append(entry)
    return found


def yaml_paths(session: Session, keys: Sequence[int]) -> dict[int, list[str]]:
    """Return the paths of the plugins' YAML files in the tree, by the plugin's key."""
    query = select(Plugin.key, Plugin.id, Plugin.yaml_names).where(Plugin.key.in_(keys))
    return {
        key: [f"{FOLDER}/{plugin_id}/{name}" for name in names or ()]
        for key, plugin_id, names in session.execute(query)
    }


PLUGIN = View(
    name="Plugin",
    model=Plugin,
    fields={
        "id": _COMMON["id"],
        "visibility": _COMMON["visibility"],
        "archive_name": Plugin.archive_name,
        "distribution": Plugin.distribution,
        "distribution_release": Plugin.distribution_release,
        "distribution_version": Plugin.distribution_version,
        "excluded_wheels_p": _NOTHING,
        "excluded_wheels": Plugin.excluded_wheels,
        "package_name": Plugin.package_name,
        "package_source": Plugin.package_source,
        "package_version": Plugin.package_version,
        "supported_platform_p": _NOTHING,
        "supported_platform": Plugin.supported_platform,
        "supported_py_versions_p": _NOTHING,
        "supported_py_versions": Plugin.supported_py_versions,
        "uploaded_at": Plugin.uploaded_at,
        "wheels_p": _NOTHING,
        "wheels": Plugin.wheels,
        "title": Plugin.title,
        "blueprint_labels": Plugin.blueprint_labels,
        "labels": Plugin.labels,
        "resource_tags": Plugin.resource_tags,
        **{name: _COMMON[name] for name in _LATER},
        "yaml_url_path": func.concat(
            "plugin:",
            Plugin.package_name,
            "?version=",
            Plugin.package_version,
            "&distribution=",
            func.coalesce(Plugin.distribution, "None"),
            type_=String,
        ),
    },
    loaded={"installation_state": installation_states, "yaml_files_paths": yaml_paths},
    searched=(Plugin.package_name,),
    order=(Plugin.uploaded_at,),
)
