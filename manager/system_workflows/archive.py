"""The archive of a blueprint: where it is, or where it comes from."""

import os
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from manager.files.tree import FILE_MODE
from manager.files.unpack import archive_format
from manager.files.write import draft, publish
from manager.system_workflows.context import SystemContext, WorkflowFailed

MAX_BYTES = 1 << 30
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S, _TOTAL_TIMEOUT_S = 5, 30, 600
_CHUNK_BYTES = 1 << 20


def find_archive(context: SystemContext, tenant: str, blueprint_id: str) -> Path:
    """Return the uploaded archive, fetched from another manager if need be; raises ManagerError."""
    folder = context.tree.archives(tenant, blueprint_id)
    with context.database.session() as session:
        return context.fetcher(session, folder, tenant).archive(tenant, blueprint_id)


def store_archive(context: SystemContext, tenant: str, blueprint_id: str, url: str) -> Path:
    """Download an archive into the tree, and return where it is; raises WorkflowFailed."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise WorkflowFailed(f"{url} is neither an http nor an https URL")
    folder = context.tree.archives(tenant, blueprint_id)
    with draft(context.tree.incoming) as path:
        _download(url, path)
        target = folder / f"{blueprint_id}.{archive_format(path)}"
        path.chmod(FILE_MODE)
        publish(path, target)
    with context.database.session() as session:
        context.note_write(session, folder)
    return target


def _download(url: str, path: Path) -> None:
    timeouts = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
    try:
        with requests.get(url, stream=True, timeout=timeouts) as response:
            response.raise_for_status()
            _save(response, path)
    except requests.RequestException as error:
        raise WorkflowFailed(f"The blueprint cannot be downloaded: {error}") from error


def _save(response: requests.Response, path: Path) -> None:
    size, deadline = 0, time.monotonic() + _TOTAL_TIMEOUT_S
    with path.open("xb") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            size += len(chunk)
            if size > MAX_BYTES:
                raise WorkflowFailed(f"The blueprint is larger than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise WorkflowFailed(f"The download took longer than {_TOTAL_TIMEOUT_S} s")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
