"""Networks are added where agents are served, by addresses that hosts have."""

import pytest
import yaml

from installer.actions import networks as action
from installer.actions import node_networks
from installer.actions.installed import Installed
from installer.actions.networks import NetworkAddress
from installer.config.complete import complete
from installer.errors import ConfigError, Refused
from installer.inventory import load_inventory

INVENTORY = """\
cluster: {name: small}
nodes:
  - name: db-1      # the database
    address: 10.0.0.1
    roles: [database]
  - {name: mq-1, address: 10.0.0.2, roles: [queue]}
  - name: m-1
    address: 10.0.0.3
    networks: {plant: 10.1.0.3}
    roles: [manager]
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(INVENTORY)
    return path


def problems(path, *wishes):
    found = action._wish_problems(load_inventory(path), [NetworkAddress(*w) for w in wishes])
    return [(problem.where, problem.what) for problem in found]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (("edge", "m-2", "10.2.0.3"), "no node has this name"),
        (("edge", "db-1", "10.2.0.1"), "no agent talks to this node"),
        (("default", "m-1", "10.2.0.3"), "the name of the node's own address"),
        (("edge", "mq-1", "10.0.0.3"), "m-1 (its own address) has this address"),
        (("edge", "m-1", "10.1.0.3"), "m-1 (plant) has this address"),
        (("plant", "m-1", "10.1.0.9"), "has the address 10.1.0.3 there already"),
    ],
    ids=["unknown", "database", "reserved", "of another node", "its own", "another address"],
)
def test_what_makes_no_sense_is_told_before_anything_is_asked(path, wish, words):
    ((where, what),) = problems(path, wish)

    assert where == f"{wish[0]}/{wish[1]}"
    assert words in what


def test_what_is_there_already_is_no_problem_so_that_a_killed_call_goes_on(path):
    assert problems(path, ("plant", "m-1", "10.1.0.3"), ("edge", "mq-1", "10.2.0.2")) == []


def test_the_inventory_gets_the_addresses_and_keeps_its_comments(path):
    wishes = [NetworkAddress("edge", "mq-1", "10.2.0.2"), NetworkAddress("edge", "m-1", "10.2.0.3")]

    action._write(load_inventory(path), wishes)

    text = path.read_text()
    nodes = {node["name"]: node for node in yaml.safe_load(text)["nodes"]}
    assert nodes["mq-1"]["networks"] == {"edge": "10.2.0.2"}
    assert nodes["m-1"]["networks"] == {"plant": "10.1.0.3", "edge": "10.2.0.3"}
    assert "# the database" in text
    assert list((path.parent / "small.runs").glob("small-before-*.yaml"))


def test_an_inventory_that_would_not_be_valid_is_left_as_it_was(path):
    with pytest.raises(ConfigError):
        action._write(load_inventory(path), [NetworkAddress("edge", "mq-1", "10.0.0.300")])

    assert path.read_text() == INVENTORY


def test_addresses_of_a_host_are_read_from_its_interfaces():
    class Session:
        def run(self, _):
            class Result:
                stdout = '[{"addr_info": [{"local": "10.0.0.1"}, {"local": "fe80::1"}]}, {}]'

            return Result

    assert action.addresses_on(Session()) == {"10.0.0.1", "fe80::1"}


# -- a node by itself


@pytest.fixture
def node(monkeypatch, tmp_path):
    """A node that was installed from one file; what would be installed is returned."""
    file = tmp_path / "config.yaml"
    file.write_text("manager:\n  hostname: one   # mine\n")
    config = complete({"manager": {"hostname": "one", "private_ip": "10.0.0.1"}})
    runs = []
    monkeypatch.setattr(node_networks, "STATE", tmp_path / "state")
    monkeypatch.setattr(node_networks, "read_installed", lambda _: Installed(config, ()))
    monkeypatch.setattr(node_networks, "load_config", lambda *_: config)
    monkeypatch.setattr(node_networks, "on_this_node", lambda _: frozenset({"10.2.0.1"}))
    monkeypatch.setattr(node_networks, "install_node", lambda *words: runs.append(words))
    return file, runs


def test_config_yaml_gets_the_address_and_is_installed(node):
    file, runs = node

    node_networks.add_node_networks({"edge": "10.2.0.1"}, [file], None)

    assert yaml.safe_load(file.read_text())["networks"] == {"edge": "10.2.0.1"}
    assert "# mine" in file.read_text()
    ((files, overrides, _, _),) = runs
    assert files == (file,)
    assert overrides["manager"]["private_ip"] == "10.0.0.1"


def test_an_address_that_is_not_on_the_host_is_refused_but_for_translated_ones(node):
    file, runs = node
    before = file.read_text()

    with pytest.raises(Refused) as caught:
        node_networks.add_node_networks({"edge": "10.2.0.9"}, [file], None)

    assert (caught.value.problems[0].code, file.read_text(), runs) == (
        "network-address-absent",
        before,
        [],
    )
    node_networks.add_node_networks({"edge": "10.2.0.9"}, [file], None, elsewhere=True)
    assert len(runs) == 1


def test_a_node_of_a_controller_is_left_to_it(node, monkeypatch):
    monkeypatch.setattr(node_networks, "read_installed", lambda _: None)

    with pytest.raises(Refused) as caught:
        node_networks.add_node_networks({"edge": "10.2.0.1"}, [node[0]], None)

    assert "cluster add-networks" in caught.value.problems[0].remedy


def test_files_that_would_change_more_than_networks_are_refused(node, monkeypatch):
    other = complete({"manager": {"hostname": "two", "private_ip": "10.0.0.1"}})
    monkeypatch.setattr(node_networks, "load_config", lambda *_: other)

    with pytest.raises(Refused) as caught:
        node_networks.add_node_networks({"edge": "10.2.0.1"}, [node[0]], None)

    assert "manager" in caught.value.problems[0].what


def test_a_reserved_name_and_an_own_address_are_no_networks(node):
    with pytest.raises(ConfigError) as caught:
        node_networks.add_node_networks(
            {"external": "10.2.0.1", "edge": "10.0.0.1"}, [node[0]], None
        )

    assert [problem.where for problem in caught.value.problems] == ["external", "edge"]
