from collections.abc import Callable
from typing import Any

import pytest

from installer.config.complete import complete
from installer.config.merge import merged
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.manager.model import ManagerSettings
from installer.roles.manager.settings import manager_settings

CONFIG: dict[str, Any] = {
    "manager": {
        "private_ip": "10.0.0.31",
        "public_ip": "203.0.113.31",
        "security": {"admin_password": "admin-pass-1"},
    },
    "services_to_install": ["manager_service"],
    "postgresql_client": {
        "host": ["10.0.0.11", "10.0.0.12"],
        "cloudify_password": "db-pass-1",
        "ca_path": "ca.crt",
        "ssl_client_verification": True,
    },
    "postgresql_server": {
        "cluster": {"nodes": {"db-1": {"ip": "10.0.0.11"}, "db-2": {"ip": "10.0.0.12"}}}
    },
    "ssl_inputs": {
        "internal_cert_path": "node.crt",
        "internal_key_path": "node.key",
        "external_cert_path": "node.crt",
        "external_key_path": "node.key",
        "ca_cert_path": "ca.crt",
        "postgresql_client_cert_path": "client.crt",
        "postgresql_client_key_path": "client.key",
    },
    "rabbitmq": {
        "password": "mq-pass-1",
        "ca_path": "mq-ca.crt",
        "cluster_members": {"mq-1": {"networks": {"default": "10.0.0.21"}}},
    },
    "flask_security": {
        "hash_salt": "salt" * 8,
        "secret_key": "key0" * 8,
        "encryption_key": "c" * 64,
    },
    "status_reporter": {"tokens": {"manager": "ctok-aaaaaaaaaa-manager"}},
}

ManagerFactory = Callable[..., ManagerSettings]


@pytest.fixture
def manager() -> ManagerFactory:
    """Return a maker of settings; its keywords are merged into config.yaml, None takes away."""

    def make(cpus: int = 2, *, has_ipv6: bool = False, **changed: Any) -> ManagerSettings:
        config = complete(_without_none(merged(CONFIG, changed)))
        inputs = NodeInputs(name="m-1", config=config, read=lambda path: f"<{path}>".encode())
        return manager_settings(inputs, NodeFacts(cpus=cpus, has_ipv6=has_ipv6))

    return make


def _without_none(section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    return {key: _without_none(value) for key, value in section.items() if value is not None}
