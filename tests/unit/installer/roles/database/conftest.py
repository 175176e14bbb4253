import copy
from collections.abc import Callable
from typing import Any

import pytest

from installer.config.complete import complete
from installer.config.merge import merged
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.database.model import DatabaseSettings
from installer.roles.database.settings import database_settings

GIB = 1024**3
SSL = "/etc/cloudify/ssl"
VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"
SERVER: dict[str, Any] = {
    "postgres_password": "superuser-secret",
    "cert_path": f"{SSL}/node.crt",
    "key_path": f"{SSL}/node.key",
    "ca_path": f"{SSL}/ca.crt",
    "enable_remote_connections": True,
    "allowed_clients": ["10.0.0.31", "192.168.7.0/24"],
    "application": {"password_verifier": VERIFIER},
    "cluster": {
        "nodes": {f"db-{n}": {"ip": f"10.0.0.1{n}"} for n in (1, 2, 3)},
        "etcd": {
            "cluster_token": "token-secret",
            "root_password": "etcd-root-secret",
            "patroni_password": "etcd-patroni-secret",
        },
        "patroni": {"rest_password": "rest-secret"},
        "postgres": {
            "replicator_password": "replicator-secret",
            "rewind_password": "rewind-secret",
        },
    },
}

DatabaseFactory = Callable[..., DatabaseSettings]


@pytest.fixture
def db() -> DatabaseFactory:
    """Return a maker of settings; its keywords are laid over the section `postgresql_server`."""

    def make(
        *, facts: NodeFacts | None = None, nodes: dict[str, Any] | None = None, **changed: Any
    ) -> DatabaseSettings:
        server = copy.deepcopy(merged(SERVER, changed))
        if nodes is not None:
            server["cluster"]["nodes"] = nodes
        config = complete({"manager": {"private_ip": "10.0.0.12"}, "postgresql_server": server})
        inputs = NodeInputs(name="host-2", config=config, read=lambda path: f"<{path}>".encode())
        return database_settings(inputs, facts or NodeFacts(memory_bytes=4 * GIB))

    return make


def certificate_paths(prefix: str) -> dict[str, str]:
    """Return the two keys of a user's own certificate."""
    file = f"{SSL}/client-{prefix}"
    return {f"{prefix}_cert_path": f"{file}.crt", f"{prefix}_key_path": f"{file}.key"}


@pytest.fixture
def user_certificates() -> dict[str, Any]:
    """Return the certificates of every user that may have one."""
    return {
        "etcd": certificate_paths("patroni"),
        "postgres": certificate_paths("replicator") | certificate_paths("superuser"),
    }
