"""The main job: ten bare hosts become one cluster, and the genuine client sees every node OK."""

import json

import pytest

from tests.support.cluster import wait_until

pytestmark = pytest.mark.cluster

SETTLE_S = 15  # the figure: cluster status is true within this time after any change


@pytest.fixture(scope="module")
def client(cluster):
    cluster.log_in()
    return cluster


def test_the_client_sees_all_nine_nodes_through_the_load_balancer(client):
    words = client.log_in()

    assert "Profile is up to date with 9 nodes" in words


def test_status_shows_every_service_active(client):
    status = json.loads(client.cfy("status", "--json").stdout)

    states = {name: service["status"] for name, service in status["services"].items()}
    assert set(states.values()) == {"Active"}
    assert {"RabbitMQ", "PostgreSQL", "Webserver", "Manager Rest-Service"} <= set(states)


def test_cluster_status_shows_every_node_ok(client):
    wait_until(
        lambda: client.cluster_status()["status"] == "OK", "every node is OK", timeout_s=SETTLE_S
    )

    services = client.cluster_status()["services"]
    nodes = {kind: service["nodes"] for kind, service in services.items()}
    assert {kind: sorted(found) for kind, found in nodes.items()} == {
        "manager": client.having("manager"),
        "db": client.having("database"),
        "broker": client.having("queue"),
    }
    assert {node["status"] for found in nodes.values() for node in found.values()} == {"OK"}


def test_a_second_install_changes_nothing_and_restarts_nothing(cluster):
    before = {node: _invocations(cluster, node) for node in cluster.nodes}

    events = cluster.install()

    finished = [event for event in events if event["kind"] == "phase-finished"]
    assert finished
    assert {event["outcome"] for event in finished} == {"unchanged"}
    assert {node: _invocations(cluster, node) for node in cluster.nodes} == before


def test_an_unchanged_run_costs_at_most_five_remote_commands_for_each_role(cluster):
    (summary,) = [e for e in cluster.install() if e["kind"] == "summary"]

    roles = {name: len(node["roles"]) for name, node in cluster.nodes.items()}
    assert set(summary["commands"]) == set(roles)
    dear = {n: count for n, count in summary["commands"].items() if count > 5 * roles[n]}
    assert dear == {}


def test_a_plan_of_an_installed_cluster_is_empty(cluster):
    assert "no changes" in cluster.manage("cluster", "plan", "-i", cluster.inventory).stdout


def _invocations(cluster, node):
    """Return the invocation id of each unit: a restart gives it a new one."""
    script = "systemctl show --property=Id,InvocationID '*.service' --state=running"
    return cluster.sh(node, script)
