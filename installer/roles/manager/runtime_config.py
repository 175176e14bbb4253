"""The manager runtime's own file, the only thing that passes between installer and runtime.

docs/reference/manager-yaml.md describes it; a contract test has the runtime read what stands here.
"""

import dataclasses
from typing import Any

import yaml

from installer.roles.manager.model import ManagerSettings, Peer

HOME = "/opt/manager"
CONFIG_PATH = f"{HOME}/manager.yaml"
TLS = f"{HOME}/ssl"
SYNC_HOME = f"{HOME}/syncthing"
RESOURCES = f"{HOME}/resources"
_HEAD = b"# Managed by the installer. Local edits are replaced at the next run.\n"


def runtime_config(manager: ManagerSettings) -> bytes:
    """Return the text of manager.yaml."""
    document = {
        "manager": {
            "hostname": manager.hostname,
            "private_ip": manager.private_ip,
            "public_ip": manager.public_ip,
            "ca_path": f"{TLS}/ca.crt",
            "networks": dict(manager.networks),
            "internal_rest_port": manager.web.internal_port,
        },
        "database": _database(manager),
        "rabbitmq": {
            "hosts": [_peer(peer) for peer in manager.broker.hosts],
            "port": manager.broker.port,
            "vhost": manager.broker.vhost,
            "username": manager.broker.username,
            "password": manager.broker.password.reveal(),
            "ca_path": f"{TLS}/broker-ca.crt",
            "is_external": manager.broker.is_external,
        },
        "security": _security(manager),
        "rest": {
            "port": manager.rest.port,
            "workers": manager.rest.workers,
            "failed_logins_before_account_lock": manager.rest.failed_logins_before_account_lock,
            "account_lock_period": manager.rest.account_lock_period,
            "default_page_size": manager.rest.default_page_size,
            "log_level": manager.rest.log_level,
        },
        "worker": {
            "workflows": manager.worker.concurrency,
            "operations": manager.worker.concurrency,
            "task_retries": manager.worker.task_retries,
            "task_retry_interval": manager.worker.task_retry_interval,
            "log_level": manager.worker.log_level,
        },
        "agent": dataclasses.asdict(manager.agent),
        "file_sync": {"enabled": manager.has_file_sync, "home": SYNC_HOME},
        "paths": {"resources": RESOURCES},
    }
    return _HEAD + yaml.safe_dump(document, sort_keys=False).encode()


def _security(manager: ManagerSettings) -> dict[str, Any]:
    keys: dict[str, Any] = {key: secret.reveal() for key, secret in manager.security.items()}
    if manager.old_encryption_keys:
        keys["old_encryption_keys"] = [key.reveal() for key in manager.old_encryption_keys]
    return keys


def _database(manager: ManagerSettings) -> dict[str, Any]:
    database = manager.database
    client = database.client is not None
    return {
        "hosts": [_peer(peer) for peer in database.hosts],
        "port": database.port,
        "name": database.name,
        "username": database.username,
        "password": database.password.reveal(),
        "sslmode": "verify-full" if database.ca else "prefer",
        "ca_path": f"{TLS}/database-ca.crt" if database.ca else None,
        "cert_path": f"{TLS}/database-client.crt" if client else None,
        "key_path": f"{TLS}/database-client.key" if client else None,
        "is_external": database.is_external,
    }


def _peer(peer: Peer) -> dict[str, Any]:
    networks = {"networks": dict(peer.networks)} if peer.networks else {}
    return {"name": peer.name, "address": peer.address, **networks}
