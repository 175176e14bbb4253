"""What a node must become, and what is looked at on it."""

import pytest

from installer.inventory import Role
from installer.preflight.needs import GIB
from installer.preflight.wanted import Wanted, facts_request, wanted_nodes
from installer.roles.database.etcd import token_hash
from tests.support.preflight import ALL, BUNDLE, CONFIG, inventory_of

TEN = {
    **{f"db-{n}": (Role.DATABASE,) for n in (1, 2, 3)},
    **{f"mq-{n}": (Role.QUEUE,) for n in (1, 2, 3)},
    **{f"m-{n}": (Role.MANAGER,) for n in (1, 2)},
    **{f"lb-{n}": (Role.LOADBALANCER,) for n in (1, 2)},
}


@pytest.fixture
def nodes():
    inventory = inventory_of(TEN, virtual_ip="10.0.0.100")
    configs = {node.name: CONFIG for node in inventory.nodes}
    return wanted_nodes(inventory, configs, None, {"db-1": "feed"})


def test_limits_are_those_of_config_yaml(nodes):
    limits = nodes["db-1"].limits

    assert (limits.memory_bytes, limits.disk_bytes) == (1838 << 20, GIB)
    assert limits.versions == ("12", "13")


def test_ports_are_those_of_the_roles(nodes):
    assert {port.port for port in nodes["db-1"].ports} == {2379, 2380, 5432, 8008}
    assert {port.port for port in nodes["mq-1"].ports} == {4369, 5671, 15671, 25672}
    assert {port.port for port in nodes["lb-1"].ports} == {80, 443, 53333}


def test_callers_of_a_port_are_the_nodes_that_need_it(nodes):
    address = {name: f"10.0.0.{number}" for number, name in enumerate(TEN, start=1)}

    callers = nodes["db-1"].callers

    assert set(callers[2380]) == {address["db-2"], address["db-3"]}
    assert {address["m-1"], address["m-2"]} <= set(callers[5432])
    assert not {address["mq-1"], address["lb-1"]} & set(callers[5432])


def test_the_virtual_ip_concerns_load_balancers(nodes):
    assert nodes["lb-1"].virtual_ip == "10.0.0.100"
    assert nodes["m-1"].virtual_ip == ""


def test_the_token_is_compared_as_it_stands_in_etcds_configuration(nodes):
    assert nodes["db-1"].etcd_token == token_hash("token")
    assert nodes["mq-1"].etcd_token == ""


def test_the_machine_of_the_last_run_is_known(nodes):
    assert (nodes["db-1"].machine_id, nodes["db-2"].machine_id) == ("feed", "")


def test_a_flush_is_measured_where_a_database_comes(nodes):
    assert facts_request(nodes["db-1"])["flushed"]
    assert facts_request(nodes["mq-1"])["flushed"] == []


def test_package_sources_are_asked_only_without_a_bundle_of_packages():
    own = Wanted(name="n", roles=ALL, address="10.0.0.1")
    offline = Wanted(name="n", roles=ALL, address="10.0.0.1", bundle=BUNDLE)

    assert "postgresql-17" in facts_request(own)["wanted_packages"]["trixie"]
    assert "postgresql-15" in facts_request(own)["wanted_packages"]["bookworm"]
    assert facts_request(offline)["wanted_packages"] == {}


def test_names_are_looked_up_and_addresses_are_not():
    node = Wanted(
        name="n",
        roles=ALL,
        address="n.example",
        networks={"agents": "10.9.0.1"},
        peers={"m": "m.example", "o": "10.0.0.3"},
    )

    assert facts_request(node)["names"] == ["localhost", "n", "n.example", "m.example"]
