"""Each shipped inventory validates without a warning and makes the nodes that it promises."""

from dataclasses import replace

import pytest
import yaml

from installer.cluster_secrets import provisional_secrets
from installer.config.check import document_findings
from installer.config.complete import complete
from installer.config.rules import CONFIG_RULES
from installer.config.schema import config_schema
from installer.expand import certificate_requests, expand, node_files
from installer.expand.check import load_cluster
from tests.support.examples import EXAMPLES, FOLDER, copy_examples


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return copy_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture
def example(folder):
    """Return a reader of an example: the inventory and its nodes."""

    def read(name):
        inventory = load_cluster(folder / f"{name}.yaml")
        return inventory, expand(inventory, provisional_secrets(inventory.secrets_path), {})

    return read


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_makes_valid_nodes_and_no_warning(name, example):
    inventory, nodes = example(name)

    assert inventory.warnings == ()
    assert [node.name for node in inventory.nodes] == list(nodes)
    for inputs in nodes.values():
        rules = document_findings(inputs.config, config_schema(), CONFIG_RULES, complete)
        assert list(rules) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_example_says_what_it_shows_and_where_its_files_are(name):
    text = (FOLDER / f"{name}.yaml").read_text()
    document = yaml.safe_load(text)

    assert text.startswith("# ")
    assert document["cluster"]["name"] == name
    assert document["secrets"] == f"{name}.secrets.yaml"
    assert document["certificates"] == f"../certs/{name}"


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("all-in-one", (1, 1, 1, 0)),
        ("two-managers", (1, 1, 2, 0)),
        ("three-nodes", (3, 3, 3, 0)),
        ("nine-nodes", (3, 3, 3, 2)),
        ("ten-nodes", (3, 3, 3, 1)),
        ("external-database", (0, 3, 2, 2)),
        ("amazon-rds", (0, 3, 2, 0)),
        ("external-queue", (3, 0, 2, 0)),
    ],
)
def test_a_topology_has_its_services(name, counts, example):
    inventory, _ = example(name)

    roles = ("database", "queue", "manager", "loadbalancer")
    assert tuple(sum(role in node.roles for node in inventory.nodes) for role in roles) == counts


def test_managers_of_an_azure_database_know_its_names_and_its_ca(example):
    _, nodes = example("external-database")

    client = nodes["manager-1"].config["postgresql_client"]
    assert client["cloudify_username"] == "cloudify@azurepg"
    assert client["server_username"].endswith("@azurepg")
    assert b"BEGIN CERTIFICATE" in nodes["manager-1"].read(client["ca_path"])


def test_managers_of_amazon_rds_have_no_superuser(example):
    _, nodes = example("amazon-rds")

    client = nodes["manager-1"].config["postgresql_client"]
    assert (client["server_password"], bool(client["cloudify_password"])) == ("", True)
    assert nodes["manager-1"].config["postgresql_server"]["cluster"]["nodes"] == {}


def test_managers_of_external_brokers_know_all_of_them(example):
    _, nodes = example("external-queue")

    queue = nodes["manager-1"].config["rabbitmq"]
    assert list(queue["cluster_members"]) == ["broker-a", "broker-b", "broker-c"]
    assert (queue["is_external"], queue["vhost"]) == (True, "cloudify")
    assert "rabbitmq" not in yaml.safe_load(
        node_files(replace(nodes["db-1"], read=lambda _: b""))[0].content
    )


def test_ipv6_addresses_stay_without_brackets_in_config_and_certificates(example):
    """Only a template knows whether its place needs brackets."""
    inventory, nodes = example("ipv6")

    config = nodes["node-1"].config
    assert config["postgresql_client"]["host"] == ["fd00:77::11", "fd00:77::12", "fd00:77::13"]
    (request,) = [
        found
        for found in certificate_requests(inventory)
        if (found.node, found.name) == ("node-1", "node")
    ]
    assert {"fd00:77::11", "fd00:77::100", "::1"} <= set(request.addresses)


def test_host_names_are_names_in_certificates(example):
    inventory, _ = example("host-names")

    request = certificate_requests(inventory)[0]
    assert {"node-1.cloudify.example.com", "cloudify.example.com"} <= set(request.dns_names)


def test_each_network_of_a_node_is_in_its_certificate_and_in_the_members(example):
    inventory, nodes = example("networks")

    requests = {request.node: request for request in certificate_requests(inventory)}
    assert {"10.77.0.14", "10.78.0.14", "10.79.0.14"} <= set(requests["queue-1"].addresses)
    members = nodes["manager-1"].config["rabbitmq"]["cluster_members"]
    assert members["queue-2"]["networks"] == {
        "default": "10.77.0.15",
        "factory": "10.78.0.15",
        "office": "10.79.0.15",
    }


def test_clients_see_the_operators_certificate_and_verification_can_be_off(example):
    _, nodes = example("own-certificates")

    inputs = nodes["node-1"]
    ssl = inputs.config["ssl_inputs"]
    assert ssl["external_cert_path"] != ssl["internal_cert_path"]
    assert b"BEGIN CERTIFICATE" in inputs.read(ssl["external_cert_path"])
    assert inputs.config["postgresql_server"]["ssl_client_verification"] is False
    assert inputs.config["postgresql_client"]["ssl_client_verification"] is False
