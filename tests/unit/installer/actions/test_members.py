"""`dbs list` and `brokers list` on a node: whom they ask, by config.yaml alone."""

import json
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from installer.actions import may_stop_here as may_stop_here_module
from installer.actions import members
from installer.cli.brokers import brokers as brokers_group
from installer.cli.dbs import dbs
from installer.errors import ConfigError
from installer.status.facts import Answer, NodeFacts
from tests.unit.installer.status.world import DATABASES, QUEUES, brokers, patroni, said

OWN = {"ca_path": "/ca", "cert_path": "/own.crt", "key_path": "/own.key"}
CONFIG = {
    "services_to_install": ["manager_service"],
    "manager": {"private_ip": "10.0.0.9", "hostname": "one"},
    "ssl_inputs": {
        "ca_cert_path": "/ca",
        "internal_cert_path": "/internal.crt",
        "internal_key_path": "/internal.key",
    },
    "postgresql_server": {
        "cluster": {"nodes": {n: {"ip": f"10.0.0.{i}"} for i, n in enumerate(DATABASES, 1)}}
    },
    "rabbitmq": {
        "username": "cloudify",
        "password": "broker-password",
        "cluster_members": {
            n: {"networks": {"default": f"10.0.1.{i}"}} for i, n in enumerate(QUEUES, 1)
        },
    },
}


@pytest.fixture
def node(monkeypatch):
    """This node, with a configuration that a test may change, and what it asked."""
    found = SimpleNamespace(config=dict(CONFIG), asks={}, files={}, answers=None)

    def from_here(asks, files):
        found.asks, found.files = asks, files
        return NodeFacts(name="this node", answers=found.answers or {})

    monkeypatch.setattr(members, "_from_here", from_here)
    monkeypatch.setattr(members, "this_node", lambda **_: SimpleNamespace(config=found.config))
    return found


def answers_of_databases():
    told = {f"patroni {name}": patroni() for name in DATABASES}
    return told | {f"etcd {name}": said({"health": "true"}) for name in DATABASES}


def test_every_database_of_the_configuration_is_asked_with_this_nodes_certificate(node):
    node.answers = answers_of_databases()

    rows = members.list_databases(None)

    assert {ask["host"] for ask in node.asks.values()} == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert node.files == {"ca": "/ca", "cert": "/internal.crt", "key": "/internal.key"}
    assert [row.node_ip for row in rows] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert all(row.alive for row in rows)


def test_a_database_node_shows_its_own_certificate(node):
    node.config["postgresql_server"] = {**CONFIG["postgresql_server"], **OWN}

    members.list_databases(None)

    assert node.files == {"ca": "/ca", "cert": "/own.crt", "key": "/own.key"}


def test_a_database_by_itself_is_a_cluster_of_one(node):
    node.config |= {"services_to_install": ["database_service"], "postgresql_server": OWN}

    (row,) = members.list_databases(None)

    assert (row.name, row.node_ip) == ("one", "10.0.0.9")


def test_every_broker_is_asked_by_its_name(node):
    node.answers = {f"brokers {name}": brokers() for name in QUEUES}

    rows = members.list_brokers(None)

    assert {(a["host"], a["name"]) for a in node.asks.values()} == {
        ("10.0.1.1", "queue-1"),
        ("10.0.1.2", "queue-2"),
        ("10.0.1.3", "queue-3"),
    }
    assert all(row.running for row in rows)


@pytest.mark.parametrize("list_them", [members.list_databases, members.list_brokers])
def test_a_node_that_knows_of_none_says_where_to_ask(node, list_them):
    node.config |= {"postgresql_server": {}, "rabbitmq": {}}

    with pytest.raises(ConfigError, match="INVENTORY"):
        list_them(None)


@pytest.mark.parametrize(
    ("changes", "code"), [({}, 0), ({"patroni db-3": Answer(fault="gone")}, 1)]
)
def test_dbs_list_ends_with_its_verdict(node, changes, code):
    node.answers = answers_of_databases() | changes

    result = CliRunner().invoke(dbs, ["list"], standalone_mode=False)

    assert result.return_value == code
    assert "node_ip" in result.output
    assert ("dead" in result.output) == bool(code)


def test_brokers_list_tells_programs_too(node):
    node.answers = {f"brokers {name}": brokers(queue_2={"mem_alarm": True}) for name in QUEUES}

    result = CliRunner().invoke(brokers_group, ["list", "--json"], standalone_mode=False)

    told = json.loads(result.output)
    assert (result.return_value, told["verdict"]) == (2, "down")
    assert told["brokers"][1]["alarms"] == ["memory alarm"]


def may_stop_here(node, monkeypatch, *services, **changes):
    """Ask as db-1, or queue-1, of which the services are some."""
    manager = {"private_ip": "10.0.0.1", "hostname": "db-1", **changes}
    cluster = node.config["postgresql_server"]["cluster"] | {"synchronous_mode": "on"}
    node.config |= {
        "services_to_install": list(services),
        "manager": manager,
        "postgresql_server": {"cluster": cluster},
    }
    monkeypatch.setattr(may_stop_here_module, "this_node", members.this_node)
    return may_stop_here_module.ask_may_stop_here()


def test_a_database_host_knows_whether_it_may_stop(node, monkeypatch):
    node.answers = answers_of_databases()

    assert may_stop_here(node, monkeypatch, "database_service").allows
    node.answers |= {"etcd db-3": Answer(fault="gone")}
    refused = may_stop_here(node, monkeypatch, "database_service")
    assert [each.part for each in refused.objections] == ["database"]


def test_a_broker_host_minds_the_replicas_of_each_queue(node, monkeypatch):
    names = [f"rabbit@{name}" for name in QUEUES]
    queue = {"name": "tasks", "members": names, "online": names}
    node.answers = {f"brokers {name}": brokers() for name in QUEUES}
    node.answers["quorum-queues queue-2"] = said([queue])

    assert may_stop_here(node, monkeypatch, "queue_service", hostname="queue-1").allows
    node.answers["quorum-queues queue-2"] = said([queue | {"online": names[:2]}])
    refused = may_stop_here(node, monkeypatch, "queue_service", hostname="queue-1")
    assert "queue tasks would have 1 of 3 replicas" in refused.objections[0].reason


def test_a_host_with_a_manager_gives_no_leave_by_its_own_word(node, monkeypatch):
    node.answers = answers_of_databases()

    refused = may_stop_here(node, monkeypatch, "database_service", "manager_service")

    assert [each.part for each in refused.objections] == ["manager"]
    assert "on the controller" in refused.objections[0].remedy
