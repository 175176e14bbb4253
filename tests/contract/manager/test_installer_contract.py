"""The runtime reads what the installer's manager role writes: the only tie between the two."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cloudify.workflows import amqp_dispatcher

from installer.config.complete import complete
from installer.config.model import NodeInputs
from installer.engine.observation import NodeFacts
from installer.roles.manager.runtime_config import runtime_config
from installer.roles.manager.settings import manager_settings
from manager.settings import NodeAddress, Settings
from manager.settings_file import load_settings

CONFIG: dict[str, Any] = {
    "manager": {"private_ip": "10.0.0.31", "public_ip": "203.0.113.31"},
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
        "ca_cert_path": "ca.crt",
        "postgresql_client_cert_path": "client.crt",
        "postgresql_client_key_path": "client.key",
    },
    "rabbitmq": {
        "password": "mq-pass-1",
        "is_external": True,
        "port": 5673,
        "vhost": "hosted",
        "ca_path": "ca.crt",
        "cluster_members": {"mq-1": {"networks": {"default": "10.0.0.21", "other": "10.1.0.21"}}},
    },
    "mgmtworker": {
        "log_level": "DEBUG",
        "workflows": {"task_retries": -1, "task_retry_interval": 3},
    },
    "agent": {"max_workers": 7},
    "restservice": {"default_page_size": 50, "log": {"level": "WARNING"}},
    "flask_security": {
        "hash_salt": "salt" * 8,
        "secret_key": "key0" * 8,
        "encryption_key": "c" * 64,
        "old_encryption_keys": ["d" * 64],
    },
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    inputs = NodeInputs(name="m-1", config=complete(CONFIG), read=lambda path: path.encode())
    path = tmp_path / "manager.yaml"
    path.write_bytes(runtime_config(manager_settings(inputs, NodeFacts(cpus=2))))
    return load_settings(path)


def test_the_manager_is_who_config_yaml_says(settings):
    manager = settings.manager

    assert (manager.hostname, manager.private_ip, manager.public_ip) == (
        "m-1",
        "10.0.0.31",
        "203.0.113.31",
    )


def test_the_database_is_reached_with_its_certificate_verified(settings):
    database = settings.database

    assert [host.name for host in database.hosts] == ["db-1", "db-2"]
    assert database.sslmode == "verify-full"
    assert (str(database.cert_path), str(database.key_path)) == (
        "/opt/manager/ssl/database-client.crt",
        "/opt/manager/ssl/database-client.key",
    )


def test_brokers_keep_their_networks(settings):
    assert settings.rabbitmq.hosts == (
        NodeAddress(
            name="mq-1",
            address="10.0.0.21",
            networks={"default": "10.0.0.21", "other": "10.1.0.21"},
        ),
    )


def test_services_and_secrets_arrive(settings):
    assert settings.rest.workers == 4
    assert settings.security.encryption_key == "c" * 64
    assert settings.security.old_encryption_keys == ("d" * 64,)
    assert settings.file_sync.enabled


def test_what_the_operator_says_of_workflows_agents_and_logs_arrives(settings):
    assert (settings.worker.task_retries, settings.worker.task_retry_interval) == (-1, 3)
    assert (settings.worker.log_level, settings.rest.log_level) == ("DEBUG", "WARNING")
    assert settings.agent.max_workers == 7
    assert settings.rest.default_page_size == 50


def test_the_queue_in_which_an_execution_awaits_replies_expires_when_nobody_reads_it():
    """A killed execution does not delete its own."""
    execution = SimpleNamespace(execution_id="3f2b4a52", amqp_handlers=set())
    name = amqp_dispatcher._WorkflowTaskHandler(execution)._queue_name

    policies = complete(CONFIG)["rabbitmq"]["policies"]
    found = [p["policy"] for p in policies if re.search(p["expression"], name)]

    assert found == [{"expires": 7 * 24 * 3600 * 1000}]


def test_external_brokers_have_their_port_and_virtual_host(settings):
    rabbitmq = settings.rabbitmq

    assert (rabbitmq.port, rabbitmq.vhost, rabbitmq.is_external) == (5673, "hosted", True)
