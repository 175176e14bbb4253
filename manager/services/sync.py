"""Replicate the file tree: keep syncthing's devices in step with the managers of the cluster."""

import logging
import signal
import threading
from dataclasses import dataclass
from typing import Any

import requests
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from manager.errors import ManagerError, Unavailable
from manager.services.device import own_device_id
from manager.services.syncthing_config import (
    FOLDER_ID,
    IGNORED,
    device_entry,
    folder_entry,
    options_patch,
)
from manager.settings import Settings
from manager.storage.database import Database
from manager.storage.models import Manager

logger = logging.getLogger(__name__)

_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A manager as syncthing knows it."""

    device_id: str
    hostname: str
    private_ip: str


def serve(settings: Settings, database: Database) -> None:
    """Keep syncthing in step until SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not settings.file_sync.enabled:
        logger.info("file_sync.enabled is false: nothing to do")
        return
    keep_in_step(settings, database, stop)


def keep_in_step(settings: Settings, database: Database, stop: threading.Event) -> None:
    """Reconcile every few seconds until `stop`; what fails is tried again the next time."""
    state = ""
    while not stop.is_set():
        before, state = state, _attempt(settings, database)
        if state != before:
            logger.info("%s", state)
        stop.wait(settings.file_sync.interval_s)


def _attempt(settings: Settings, database: Database) -> str:
    """Reconcile once and return how it went, in one line."""
    try:
        with database.session() as session:
            peers = cluster_peers(session, settings)
        changes = SyncthingApi(settings).reconcile(peers)
    except (requests.RequestException, Unavailable, ManagerError, OSError) as error:
        return f"cannot reconcile: {error}"
    if changes:
        logger.info("changed %s", ", ".join(changes))
    return f"in step with {len(peers)} managers"


def cluster_peers(session: Session, settings: Settings) -> list[Peer]:
    """Return the managers that replicate; a renewed certificate of ours is entered first."""
    own_id, hostname = own_device_id(settings), settings.manager.hostname
    session.execute(
        update(Manager)
        .where(Manager.hostname == hostname, Manager.fs_sync_node_id.is_distinct_from(own_id))
        .values(fs_sync_node_id=own_id)
    )
    query = select(Manager).where(Manager.fs_sync_node_id.is_not(None)).order_by(Manager.id)
    return [
        Peer(
            device_id=manager.fs_sync_node_id or "",
            hostname=manager.hostname,
            private_ip=manager.private_ip,
        )
        for manager in session.scalars(query)
    ]


class SyncthingApi:
    """The REST API of this manager's syncthing, on loopback."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = f"http://127.0.0.1:{settings.file_sync.api_port}/rest"
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the environment is not for loopback
        self._http.headers["X-API-Key"] = settings.file_sync.api_key_path.read_text().strip()

    def reconcile(self, peers: list[Peer]) -> list[str]:
        """Bring options, devices and the folder to what the managers need; return what changed."""
        config = self._call("GET", "/config")
        return [
            *self._set_options(config["options"]),
            *self._set_devices(config["devices"], peers),
            *self._set_folder(config["folders"], peers),
            *self._drop_devices(config["devices"], peers),
            *self._set_ignores(),
        ]

    def _set_options(self, options: dict[str, Any]) -> list[str]:
        wanted = options_patch(self._settings)
        if _holds(options, wanted):
            return []
        self._call("PATCH", "/config/options", wanted)
        return ["options"]

    def _set_devices(self, devices: list[dict[str, Any]], peers: list[Peer]) -> list[str]:
        known = {device["deviceID"]: device for device in devices}
        changes = []
        for peer in peers:
            wanted = device_entry(peer.device_id, peer.hostname, peer.private_ip, self._settings)
            if not _holds(known.get(peer.device_id, {}), wanted):
                self._call("PUT", f"/config/devices/{peer.device_id}", wanted)
                changes.append(f"device {peer.hostname}")
        return changes

    def _set_folder(self, folders: list[dict[str, Any]], peers: list[Peer]) -> list[str]:
        wanted = folder_entry(self._settings)
        ids = {peer.device_id for peer in peers}
        known = next((folder for folder in folders if folder["id"] == FOLDER_ID), {})
        if _holds(known, wanted) and {d["deviceID"] for d in known["devices"]} == ids:
            return []
        devices = [{"deviceID": device_id} for device_id in sorted(ids)]
        self._call("PUT", f"/config/folders/{FOLDER_ID}", {**wanted, "devices": devices})
        return ["folder"]

    def _drop_devices(self, devices: list[dict[str, Any]], peers: list[Peer]) -> list[str]:
        keep = {peer.device_id for peer in peers} | {own_device_id(self._settings)}
        changes = []
        for device in devices:
            if device["deviceID"] not in keep:
                self._call("DELETE", f"/config/devices/{device['deviceID']}")
                changes.append(f"no device {device['name']}")
        return changes

    def _set_ignores(self) -> list[str]:
        path = f"/db/ignores?folder={FOLDER_ID}"
        if self._call("GET", path)["ignore"] == list(IGNORED):
            return []
        self._call("POST", path, {"ignore": list(IGNORED)})
        return ["ignores"]

    def _call(self, method: str, path: str, body: object = None) -> Any:
        response = self._http.request(method, self._url + path, json=body, timeout=_TIMEOUT_S)
        if not response.ok:
            raise ManagerError(f"syncthing answers {response.status_code} to {method} {path}")
        return response.json() if method == "GET" else None


def _holds(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(name in found and found[name] == value for name, value in wanted.items())
