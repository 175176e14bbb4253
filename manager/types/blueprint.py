"""Operations of cloudify.nodes.Blueprint, and the upload that components share with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudify import ctx
from cloudify.exceptions import NonRecoverableError
from cloudify.models_states import BlueprintUploadState
from cloudify_rest_client.exceptions import CloudifyClientError

from manager.types.extras import delete_extras, provide_extras
from manager.types.work import (
    client_of,
    exists,
    forget,
    note,
    resumable,
    setting,
    wait_until,
)

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2")
_TIMEOUT_S = 1800


@resumable
def upload(**inputs: Any) -> None:
    """Upload the blueprint, after its secrets and plugins."""
    client = client_of(inputs)
    provide_extras(client, inputs)
    provide_blueprint(client, setting("resource_config", inputs).get("blueprint", {}) or inputs)


@resumable
def delete(**inputs: Any) -> None:
    """Delete the blueprint unless it was there before, then its plugins and secrets."""
    client = client_of(inputs)
    delete_blueprint(client)
    delete_extras(client)
    forget("blueprint")


def provide_blueprint(client: Any, config: Mapping[str, Any]) -> str:
    """Let the manager have the blueprint that `config` tells, and return its id."""
    blueprint_id: str = config.get("id") or ctx.instance.id
    noted = ctx.instance.runtime_properties.get("blueprint") or {}
    is_there = exists(client.blueprints, blueprint_id)
    is_ours = noted.get("uploaded", not is_there)  # a repetition finds what it uploaded
    note(
        blueprint={
            "id": blueprint_id,
            "blueprint_archive": config.get("blueprint_archive"),
            "application_file_name": config.get("main_file_name"),
            "labels": config.get("labels") or [],
            "uploaded": is_ours and not config.get("external_resource"),
        }
    )
    if not is_there:
        _upload(client, blueprint_id, config)
    _await_upload(client, blueprint_id)
    return blueprint_id


def delete_blueprint(client: Any) -> None:
    """Delete the blueprint that this instance uploaded, unless something else uses it by now."""
    blueprint = ctx.instance.runtime_properties.get("blueprint") or {}
    if not blueprint.get("uploaded") or not exists(client.blueprints, blueprint["id"]):
        return
    try:
        client.blueprints.delete(blueprint["id"])
    except CloudifyClientError as error:
        if error.error_code not in ("blueprint_in_use", "blueprint_in_use_error"):
            raise
        ctx.logger.warning("Blueprint %s stays: %s", blueprint["id"], error)


def _upload(client: Any, blueprint_id: str, config: Mapping[str, Any]) -> None:
    source = config.get("blueprint_archive")
    if config.get("external_resource"):
        raise NonRecoverableError(
            f'Blueprint ID "{blueprint_id}" does not exist on tenant "{ctx.tenant_name}", but'
            " external_resource is True"
        )
    if not source:
        raise NonRecoverableError("No blueprint_archive supplied, but external_resource is False")
    main_file = config.get("main_file_name") or "blueprint.yaml"
    options = {"labels": config.get("labels") or None, "async_upload": True}
    ctx.logger.info("Uploading blueprint %s from %s", blueprint_id, source)
    if urlsplit(source).scheme in ("http", "https"):
        client.blueprints.publish_archive(source, blueprint_id, main_file, **options)
    elif source.endswith(_ARCHIVES):
        archive = ctx.download_resource(source)
        client.blueprints.publish_archive(archive, blueprint_id, main_file, **options)
    else:
        folder = Path(ctx.download_directory(source))
        client.blueprints.upload(str(folder / main_file), blueprint_id, **options)


def _await_upload(client: Any, blueprint_id: str) -> None:
    def is_uploaded() -> bool:
        blueprint = client.blueprints.get(blueprint_id)
        if blueprint.state in BlueprintUploadState.FAILED_STATES:
            raise NonRecoverableError(
                f"Blueprint {blueprint_id} is {blueprint.state}: {blueprint.get('error')}"
            )
        return bool(blueprint.state == BlueprintUploadState.UPLOADED)

    wait_until(is_uploaded, f"Upload of blueprint {blueprint_id}", timeout_s=_TIMEOUT_S)
