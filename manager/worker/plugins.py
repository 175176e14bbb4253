"""Install plugins into virtual environments of their own; these functions run in task processes.

The installer is cloudify-common's: an environment is `plugins/<tenant>/<name>/<version>` below the
worker's folder, linked to the runtime's environment, with the plugin's packages before that's.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloudify import plugin_installer, utils
from cloudify.context import CloudifyContext
from cloudify.state import current_ctx

Plugin = dict[str, Any]


def prepare(context: Mapping[str, Any]) -> str | None:
    """Return the environment of a task's plugin, installed if it was not.

    None when there is nothing to install: what the plugin needs is then in the manager itself.
    """
    plugin: Plugin = dict(context["plugin"])
    with _acting_for(context):
        found = _prefix(context, plugin)
        if found is None and _is_installable(plugin):
            plugin_installer.install(
                plugin, context.get("deployment_id"), context.get("blueprint_id")
            )
            found = _prefix(context, plugin)
    return found


def install(plugin: Plugin, context: Mapping[str, Any]) -> str | None:
    """Install a plugin of the manager's catalogue, and report its state."""
    with _acting_for(context):
        plugin_installer.install(plugin)
        return _prefix(context, plugin)


def uninstall(plugin: Plugin, context: Mapping[str, Any]) -> None:
    """Remove a plugin's environment, and report its state."""
    with _acting_for(context):
        plugin_installer.uninstall(plugin)


def remove_source_plugins(root: str, tenant: str, deployment_id: str) -> None:
    """Remove what was installed from the sources in a deployment's blueprint."""
    base = (Path(root) / "source_plugins" / tenant).resolve()
    folder = (base / deployment_id).resolve()
    if folder.parent == base and folder.is_dir():
        shutil.rmtree(folder)


def _is_installable(plugin: Plugin) -> bool:
    return bool(plugin.get("source")) or plugin_installer.get_managed_plugin(plugin) is not None


def _prefix(context: Mapping[str, Any], plugin: Plugin) -> str | None:
    found: str | None = utils.plugin_prefix(
        name=plugin.get("package_name") or plugin["name"],
        tenant_name=context["tenant"]["name"],
        version=plugin.get("package_version"),
        deployment_id=context.get("deployment_id"),
    )
    return found


def _acting_for(context: Mapping[str, Any]) -> Any:
    """Act with the rights of the task, or of whoever wanted the plugin installed."""
    operation = {**context, "type": "operation", "plugin": {}}
    return current_ctx.push(CloudifyContext(operation))
