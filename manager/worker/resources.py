"""Files of blueprints and deployments for tasks: from this manager's tree, or from another's."""

import logging
import os
from pathlib import Path
from typing import Any

import requests
from cloudify import manager, utils
from cloudify.exceptions import HttpException, NonRecoverableError

from manager.worker.loopback import session

logger = logging.getLogger(__name__)

_get_original = manager.get_resource


def get_resource(
    blueprint_id: str | None, deployment_id: str | None, tenant_name: str, resource_path: str
) -> bytes:
    """Take the place of `cloudify.manager.get_resource`: look into this manager's tree first."""
    places = (("deployments", deployment_id), ("blueprints", blueprint_id))
    for folder, owner in places:
        if owner:
            content = _read(_file_root() / folder / tenant_name / owner, resource_path)
            if content is not None:
                return content
    return _get_remote_resource(blueprint_id, deployment_id, tenant_name, resource_path)


def _read(folder: Path, path: str) -> bytes | None:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    return file.read_bytes()


def _get_remote_resource(*arguments: Any) -> bytes:
    """Ask the file servers of all managers: this one's tree may lag behind by seconds."""
    content: bytes = _get_original(*arguments)
    return content


def get_from_managers(resource_path: str, base_url: Any = None, base_urls: Any = None) -> bytes:
    """Take the place of `cloudify.manager.get_resource_from_manager`.

    The service on loopback has no files: the web servers of all managers do, over TLS.
    """
    context = utils._get_current_context()
    urls = [base_url] if base_url else list(base_urls or [])
    urls += [
        f"https://{utils.ipv6_url_compat(host)}:{context.rest_port}/resources"
        for host in context.rest_host
    ]
    headers = {"Execution-Token": context.execution_token or "", "Tenant": context.tenant_name}
    failure: Exception | None = None
    for url in urls:
        place = f"{url.rstrip('/')}/{resource_path.lstrip('/')}"
        try:
            reply = session().get(
                place, headers=headers, timeout=(10, 300), verify=utils.get_local_rest_certificate()
            )
        except requests.ConnectionError as error:
            logger.info("%s: %s", url, error)
            continue
        if reply.ok:
            return reply.content
        failure = HttpException(place, reply.status_code, reply.reason)
    if failure is None:
        tried = ", ".join(urls)
        failure = NonRecoverableError(
            f"Failed to download {resource_path}: unable to connect to any manager (tried: {tried})"
        )
    raise failure


def _file_root() -> Path:
    return Path(os.environ["MANAGER_FILE_SERVER_ROOT"])
