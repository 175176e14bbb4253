"""A node that is installed by itself gets what its config.yaml leaves to us, always the same."""

import re
import stat

import pytest

from installer.config.check import document_findings
from installer.config.complete import complete
from installer.config.rules import CONFIG_RULES
from installer.config.schema import config_schema
from installer.expand.local import local_node

ALL_IN_ONE = {
    "manager": {"private_ip": "10.0.0.1", "public_ip": "cfy.example.com", "hostname": "n-1"}
}


def alone(folder, **sections):
    return local_node(complete({**ALL_IN_ONE, **sections}), folder)


def test_two_addresses_are_enough_for_everything_on_one_node(tmp_path):
    config = alone(tmp_path).inputs.config

    rules = document_findings(config, config_schema(), CONFIG_RULES, complete)
    assert list(rules) == []
    assert len(config["manager"]["security"]["admin_password"]) >= 32
    assert config["postgresql_server"]["application"]["password_verifier"]
    assert config["status_reporter"]["token"] == config["status_reporter"]["tokens"]["manager"]


def test_a_manager_reaches_the_database_of_its_own_node_and_nobody_else_does(tmp_path):
    server = alone(tmp_path).inputs.config["postgresql_server"]

    assert server["enable_remote_connections"]
    assert server["allowed_clients"] == ["10.0.0.1"]


def test_each_certificate_that_the_configuration_names_is_written(tmp_path):
    node = alone(tmp_path)

    assert {"ca.crt", "node.crt", "node.key", "client-cloudify.key", "client-patroni.key"} <= {
        file.path.removeprefix("/etc/cloudify/ssl/") for file in node.files
    }
    for file in node.files:
        assert node.inputs.read(file.path) == file.content
        assert (file.mode, file.owner) == (0o600, "root")


def test_the_key_of_the_ca_is_not_among_the_files(tmp_path):
    node = alone(tmp_path)

    authority_key = (tmp_path / "certificates" / "ca.key").read_bytes()
    assert authority_key not in [file.content for file in node.files]
    assert stat.S_IMODE((tmp_path / "certificates" / "ca.key").stat().st_mode) == 0o600


def test_a_second_installation_is_identical(tmp_path):
    first, second = alone(tmp_path), alone(tmp_path)

    assert first.inputs.config == second.inputs.config
    assert first.files == second.files


def test_what_the_file_says_is_kept(tmp_path):
    config = alone(
        tmp_path,
        postgresql_client={"cloudify_password": "Xo3gieW8ooNg4Iey"},
        rabbitmq={"username": "someone", "erlang_cookie": "Gie0aiYahVooz1no"},
    ).inputs.config

    assert config["postgresql_client"]["cloudify_password"] == "Xo3gieW8ooNg4Iey"
    assert config["rabbitmq"]["username"] == "someone"
    assert config["rabbitmq"]["erlang_cookie"] == "Gie0aiYahVooz1no"
    assert "Xo3gieW8ooNg4Iey" not in (tmp_path / "secrets.yaml").read_text()


def test_managers_that_share_their_keys_agree_on_the_tokens_of_reporters(tmp_path):
    """Else the second manager that is installed would end every reporter of the first."""
    shared = {
        "services_to_install": ["manager_service"],
        "flask_security": {"secret_key": "Xo3gieW8ooNg4Iey"},
        "ssl_inputs": {"internal_cert_path": "/my/node.crt"},
    }

    one, two = (alone(tmp_path / name, **shared).inputs.config for name in ("one", "two"))

    assert one["status_reporter"]["tokens"] == two["status_reporter"]["tokens"]
    assert len(set(one["status_reporter"]["tokens"].values())) == 3
    assert re.fullmatch(r"ctok-\w{10}-\w{40}", one["status_reporter"]["token"])


def test_managers_elsewhere_reach_a_database_that_lets_others_connect(tmp_path):
    """The guide's files name no clients, only that remote connections are enabled."""
    config = alone(
        tmp_path,
        services_to_install=["database_service"],
        postgresql_server={"enable_remote_connections": True},
    ).inputs.config

    assert config["postgresql_server"]["allowed_clients"] == []


def test_the_members_are_those_of_the_file(tmp_path):
    """The names that a file gives to nodes need not be their host names."""
    nodes = {"first": {"ip": "10.0.0.1"}, "second": {"ip": "10.0.0.2"}, "third": {"ip": "10.0.0.3"}}

    config = alone(
        tmp_path,
        services_to_install=["database_service"],
        postgresql_server={"cluster": {"nodes": nodes}},
    ).inputs.config

    assert config["postgresql_server"]["cluster"]["nodes"] == nodes


def test_a_database_alone_makes_no_user_whose_password_no_manager_knows(tmp_path):
    config = alone(tmp_path, services_to_install=["database_service"]).inputs.config

    assert config["postgresql_server"]["postgres_password"]
    assert not config["postgresql_server"]["application"]["password_verifier"]
    assert not config["status_reporter"]["token"]


@pytest.mark.parametrize("services", [["database_service"], ["queue_service"]])
def test_a_node_keeps_the_secrets_of_its_services_only(services, tmp_path):
    alone(tmp_path, services_to_install=services, rabbitmq={"password": "Xo3gieW8ooNg4Iey"})

    kept = (tmp_path / "secrets.yaml").read_text()
    assert "admin_password" not in kept
    assert "encryption_key" not in kept
    assert ("erlang_cookie" in kept) == (services == ["queue_service"])


def test_certificates_of_the_file_are_used_as_they_are(tmp_path):
    paths = {"cert_path": "/my/node.crt", "key_path": "/my/node.key", "ca_path": "/my/ca.crt"}

    node = alone(
        tmp_path,
        services_to_install=["database_service"],
        postgresql_server=paths,
    )

    server = node.inputs.config["postgresql_server"]
    assert {key: server[key] for key in paths} == paths
    assert not server["cluster"]["etcd"]["patroni_cert_path"]
    assert node.files == ()
    assert not (tmp_path / "certificates").exists()


def test_a_complete_configuration_leaves_nothing_to_make(tmp_path):
    """A node of a cluster, whose file came from the controller, holds no further secrets."""
    complete_config = alone(tmp_path / "first").inputs.config

    again = local_node(complete_config, tmp_path / "second")

    assert again.inputs.config == complete_config
    assert again.files == ()
    assert not (tmp_path / "second").exists()
