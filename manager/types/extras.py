"""Secrets and plugins that a component or a blueprint brings along."""

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import yaml
from cloudify import ctx
from cloudify.exceptions import NonRecoverableError
from cloudify_rest_client.exceptions import CloudifyClientError

from manager.types.work import forget, note, setting

_TIMEOUT_S = 30
_SECRETS, _PLUGINS = "created_secrets", "plugins_uploaded"


def provide_extras(client: Any, inputs: Mapping[str, Any]) -> None:
    """Set the secrets and upload the plugins that the settings name."""
    provide_secrets(client, setting("secrets", inputs) or {})
    for name, plugin in (setting("plugins", inputs) or {}).items():
        _provide_plugin(client, name, plugin)


def provide_secrets(client: Any, secrets: Mapping[str, Any]) -> None:
    """Create secrets; raises NonRecoverableError for keys that are others'."""
    ours = set(_noted(_SECRETS))
    taken = {secret.key for secret in client.secrets.list(_include=["key"])} if secrets else set()
    if foreign := sorted((taken & secrets.keys()) - ours):
        raise NonRecoverableError(f"The secrets exist already: {', '.join(foreign)}")
    note(**{_SECRETS: sorted(ours | secrets.keys())})
    for key in sorted(secrets.keys() - taken):
        client.secrets.create(key, str(secrets[key]))


def delete_extras(client: Any) -> None:
    """Delete the secrets and plugins of this instance; plugins in use stay."""
    for plugin_id in _noted(_PLUGINS):
        _delete_plugin(client, plugin_id)
    delete_secrets(client)
    forget(_PLUGINS)


def delete_secrets(client: Any) -> None:
    """Delete the secrets that this instance created."""
    for key in _noted(_SECRETS):
        try:
            client.secrets.delete(key)
        except CloudifyClientError as error:
            if error.status_code != 404:  # a repetition finds it gone
                raise
    forget(_SECRETS)


def _noted(name: str) -> list[str]:
    return list(ctx.instance.runtime_properties.get(name) or ())


def _provide_plugin(client: Any, name: str, plugin: Mapping[str, Any]) -> None:
    sources = [plugin.get("wagon_path"), plugin.get("plugin_yaml_path")]
    if not all(sources):
        raise NonRecoverableError(f"Plugin {name} lacks wagon_path or plugin_yaml_path")
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        wagon, description = (_fetch(str(source), folder) for source in sources)
        if _is_uploaded(client, description):
            ctx.logger.info("Plugin %s is uploaded already", name)
            return
        archive = folder / "plugin.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.write(wagon, wagon.name)
            packed.write(description, description.name)
        uploaded = client.plugins.upload(str(archive))
    note(**{_PLUGINS: [*_noted(_PLUGINS), uploaded["id"]]})


def _is_uploaded(client: Any, description: Path) -> bool:
    plugins = yaml.safe_load(description.read_text()).get("plugins") or {}
    return any(
        client.plugins.list(
            package_name=plugin.get("package_name"),
            package_version=str(plugin.get("package_version")),
        )
        for plugin in plugins.values()
    )


def _fetch(source: str, folder: Path) -> Path:
    """Return a copy of a URL, or of a file of the blueprint."""
    target = folder / Path(urlsplit(source).path).name
    if urlsplit(source).scheme not in ("http", "https"):
        ctx.download_resource(source, str(target))
        return target
    with requests.get(source, stream=True, timeout=_TIMEOUT_S) as response:
        response.raise_for_status()
        with target.open("wb") as file:
            shutil.copyfileobj(response.raw, file)
    return target


def _delete_plugin(client: Any, plugin_id: str) -> None:
    try:
        client.plugins.delete(plugin_id)
    except CloudifyClientError as error:
        if error.status_code not in (404, 405):  # gone, or in use by others
            raise
        ctx.logger.warning("Plugin %s stays: %s", plugin_id, error)
