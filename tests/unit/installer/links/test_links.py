"""The table of links says what the roles' own settings and templates make of a cluster."""

from pathlib import Path

import pytest
import yaml

from installer.cluster_secrets import provisional_secrets
from installer.config.source import value_at
from installer.expand import expand
from installer.inventory import Role, load_inventory
from installer.links import (
    EVERY_ADDRESS,
    LOOPBACK,
    Outside,
    Service,
    Transport,
    links,
    listeners,
)

INVENTORIES = Path(__file__).parents[4] / "inventories"
CA = INVENTORIES / "all-in-one.yaml"  # any file that can be read stands for the provider's CA


def cluster(tmp_path, name, *, settings=None, **changes):
    """Load an example; `settings` replace its own, and `changes` its other keys."""
    document = yaml.safe_load((INVENTORIES / f"{name}.yaml").read_text())
    client = document["settings"].get("postgresql_client", {})
    if "ca_path" in client:
        client["ca_path"] = str(CA)
    if settings is not None:
        document["settings"] = settings
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(document | changes))
    return load_inventory(path)


def ports(found, source, target):
    return sorted(link.port for link in found if (link.source, link.target) == (source, target))


def only(found, **wanted):
    return [x for x in found if all(getattr(x, key) == value for key, value in wanted.items())]


EXAMPLES = ("all-in-one", "three-nodes", "ten-nodes", "external-database")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_link_leads_to_a_port_that_a_service_holds(tmp_path, name):
    inventory = cluster(tmp_path, name)
    held = {(listener.node, listener.port) for listener in listeners(inventory)}

    inner = [link for link in links(inventory) if link.service is not Service.SSH]

    assert [x for x in inner if not x.is_external and (x.target, x.port) not in held] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_certificates_of_links_and_listeners_are_keys_of_the_nodes_own_config(tmp_path, name):
    inventory = cluster(tmp_path, name)
    nodes = expand(inventory, provisional_secrets(inventory.secrets_path), {})

    keys = []
    for listener in listeners(inventory):
        shown = listener.certificate
        named = (shown.certificate_key, shown.key_key) if shown else ()
        keys += [(listener.node, key) for key in (*named, listener.trust) if key]
    for link in links(inventory):
        if link.tls and not link.is_from_outside:
            client = link.tls.client
            named = (client.certificate_key, client.key_key) if client else ()
            keys += [(link.source, key) for key in (*named, link.tls.trust) if key]

    assert keys
    assert [(n, key) for n, key in keys if not value_at(nodes[n].config, key)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_link_stands_twice(tmp_path, name):
    found = links(cluster(tmp_path, name))

    assert len(found) == len(set(found))


def test_nodes_of_the_ten_are_linked_by_what_their_roles_speak(tmp_path):
    found = links(cluster(tmp_path, "ten-nodes"))

    assert ports(found, "db-1", "db-2") == [2379, 2380, 5432, 8008]
    assert ports(found, "queue-1", "queue-2") == [4369, 25672]
    assert ports(found, "manager-1", "db-3") == [5432]
    assert ports(found, "manager-1", "queue-3") == [5671]
    assert ports(found, "manager-1", "manager-2") == [22000, 53333, 53333]
    assert ports(found, "db-1", "manager-1") == [53333]
    assert ports(found, "queue-1", "manager-1") == [53333]
    assert ports(found, "lb-1", "manager-1") == [443, 53333]
    assert ports(found, "db-1", "queue-1") == []
    assert ports(found, "manager-1", "lb-1") == []


def test_every_node_is_reached_by_the_controller(tmp_path):
    inventory = cluster(tmp_path, "ten-nodes", ssh={"port": 2222})

    found = only(links(inventory), source=Outside.CONTROLLER)

    assert [link.target for link in found] == [node.name for node in inventory.nodes]
    assert {(link.service, link.port) for link in found} == {(Service.SSH, 2222)}


def test_roles_on_one_host_have_links_of_their_own(tmp_path):
    found = links(cluster(tmp_path, "three-nodes"))

    postgresql = only(found, source="node-1", target="node-2", service=Service.POSTGRESQL)

    assert {link.source_role for link in postgresql} == {Role.DATABASE, Role.MANAGER}
    assert {link.tls.client.prefix for link in postgresql} == {"replicator_", "postgresql_client_"}


def test_a_host_alone_has_no_link_between_nodes(tmp_path):
    found = links(cluster(tmp_path, "all-in-one"))

    assert [link for link in found if link.is_between_nodes] == []
    assert only(found, source="manager-1", target="manager-1", service=Service.POSTGRESQL)


def test_clients_use_the_load_balancer_and_agents_the_managers_and_brokers_too(tmp_path):
    found = links(cluster(tmp_path, "ten-nodes"))

    clients = only(found, source=Outside.CLIENT)
    agents = {link.target for link in only(found, source=Outside.AGENT)}

    assert {(link.target, link.port) for link in clients} == {("lb-1", 80), ("lb-1", 443)}
    assert agents == {
        "lb-1",
        *("manager-1", "manager-2", "manager-3"),
        *("queue-1", "queue-2", "queue-3"),
    }


def test_ports_that_the_operator_chose_are_those_of_the_links(tmp_path):
    settings = {
        "nginx": {"port": 8443},
        "manager": {"additional_internal_rest_listeners": [53333, 9443]},
        "agent": {"broker_port": 5671},
    }

    inventory = cluster(tmp_path, "three-nodes", settings=settings)

    clients = {link.port for link in only(links(inventory), source=Outside.CLIENT)}
    https = only(listeners(inventory), node="node-1", service=Service.HTTPS)
    assert clients == {80, 8443}
    assert {listener.port for listener in https} == {8443, 443, 53333, 9443}


def test_without_file_replication_nothing_speaks_syncthing(tmp_path):
    settings = {"manager": {"cluster_filesystem_replication": False}}

    inventory = cluster(tmp_path, "ten-nodes", settings=settings)

    assert only(links(inventory), service=Service.SYNCTHING) == []
    assert only(listeners(inventory), port=22000) == []


def test_load_balancers_that_share_an_address_speak_vrrp(tmp_path):
    found = links(cluster(tmp_path, "external-database"))

    vrrp = only(found, transport=Transport.VRRP)

    assert {(link.source, link.target) for link in vrrp} == {("lb-1", "lb-2"), ("lb-2", "lb-1")}


def test_managers_reach_an_external_database_with_its_ca_and_without_a_certificate(tmp_path):
    found = links(cluster(tmp_path, "external-database"))

    external = only(found, is_external=True)

    assert [link.source for link in external] == ["manager-1", "manager-2"]
    assert {link.address for link in external} == {"azurepg.postgres.database.azure.com"}
    assert {(link.service, link.port) for link in external} == {(Service.POSTGRESQL, 5432)}
    assert {link.tls.trust for link in external} == {("postgresql_client", "ca_path")}
    assert {link.tls.client for link in external} == {None}


def test_each_external_broker_is_reached_at_its_own_address(tmp_path):
    document = yaml.safe_load((INVENTORIES / "ten-nodes.yaml").read_text())
    rabbitmq = {
        "is_external": True,
        "port": 5673,
        "ca_path": str(CA),
        "cluster_members": {
            "mq-a": {"networks": {"default": "mq-a.example.com"}},
            "mq-b": {"networks": {"default": "10.9.0.2"}},
        },
    }
    nodes = [node for node in document["nodes"] if node["roles"] != ["queue"]]

    inventory = cluster(tmp_path, "ten-nodes", settings={"rabbitmq": rabbitmq}, nodes=nodes)

    external = only(links(inventory), is_external=True, source="manager-1")
    assert [(link.target, link.address) for link in external] == [
        ("mq-a", "mq-a.example.com"),
        ("mq-b", "10.9.0.2"),
    ]
    assert [link.family for link in external] == [None, 4]
    assert {link.port for link in external} == {5673}


def test_a_name_as_address_makes_etcd_listen_everywhere(tmp_path):
    nodes = [{"name": "n-1", "address": "n-1.example.com", "roles": ["database", "queue"]}]
    nodes.append({"name": "n-2", "address": "fd00::2", "roles": ["manager"]})

    found = listeners(cluster(tmp_path, "all-in-one", nodes=nodes))

    assert only(found, service=Service.ETCD)[0].bind == EVERY_ADDRESS
    assert only(found, service=Service.SYNCTHING)[0].bind == "fd00::2"


def test_a_single_database_without_remote_connections_keeps_to_loopback(tmp_path):
    settings = {"postgresql_server": {"enable_remote_connections": False}}

    found = listeners(cluster(tmp_path, "all-in-one", settings=settings))

    assert only(found, service=Service.POSTGRESQL)[0].bind == LOOPBACK


def test_a_manager_with_an_external_certificate_shows_it_to_clients_only(tmp_path):
    keys = ("external_cert_path", "external_key_path", "external_ca_cert_path")
    settings = {"ssl_inputs": dict.fromkeys(keys, str(CA))}

    found = listeners(cluster(tmp_path, "ten-nodes", settings=settings))

    https = only(found, node="manager-1", service=Service.HTTPS)
    shown = {listener.port: listener.certificate.prefix for listener in https}
    assert shown == {443: "external_", 53333: "internal_"}
