"""A cluster and a node stop, start and restart: refused, killed, broken and mended."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import Cluster
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.pair import SERVICES, STATUS, ask, running

pytestmark = pytest.mark.cluster

NGINX_STOPS = "! systemctl is-active --quiet nginx"


def of_kind(kind: str, phase: str = "") -> Callable[[Event], bool]:
    """Return what knows the first event of a kind, in a phase that begins so."""
    return lambda event: event["kind"] == kind and event.get("phase", "").startswith(phase)


@contextmanager
def broken_nginx(cluster: Cluster, node: str) -> Iterator[None]:
    """Keep a word in nginx.conf that nginx does not know."""
    path = "/etc/nginx/nginx.conf"
    cluster.sh(node, f"cp -p {path} /root/nginx.conf; echo 'nonsense on;' >> {path}")
    try:
        yield
    finally:
        cluster.sh(node, f"mv /root/nginx.conf {path}")


def kill_at(cluster: Cluster, node: str, command: str, condition: str) -> None:
    """Kill a command of a node itself as soon as the shell finds the condition true there."""
    script = f"{command} & pid=$!; until {condition}; do sleep 0.05; done; kill -9 $pid"
    ended = f'{script}; wait $pid || code=$?; [ "$code" = 137 ]'
    cluster.sh(node, ended, timeout_s=60)


def assert_told_of_nginx(done: subprocess.CompletedProcess[str]) -> None:
    """Assert that a start ended with the unit, the cause and the line that shows it."""
    assert done.returncode == 6
    for word in ("nginx-config-test", "nginx.service", 'unknown directive "nonsense"'):
        assert word in done.stderr
    assert "run the same command again" in done.stderr


def test_a_whole_cluster_stops_and_starts_again_killed_in_the_middle_of_either(pair: Cluster):
    stop = ("cluster", "stop", "-i", pair.inventory, "--yes")
    start = ("cluster", "start", "-i", pair.inventory)

    unsure = pair.manage("cluster", "stop", "-i", pair.inventory, input="no\n", check=False)
    assert unsure.returncode == 8
    assert running(pair, "manager-2", *SERVICES["manager-2"]) == [*SERVICES["manager-2"]]

    killed_run(pair, stop, of_kind("phase-finished", "stop/manager"))
    stopped = events_of(pair.manage(*stop, "--json").stdout)
    assert set(finished(stopped, "stop/manager/services").values()) == {"unchanged"}
    for node, units in SERVICES.items():
        assert running(pair, node, *units) == []

    killed_run(pair, start, of_kind("phase-finished", "start/database/patroni"))
    with broken_nginx(pair, "manager-2"):
        broken = pair.manage(*start, check=False)
    assert_told_of_nginx(broken)
    pair.manage(*start)
    for node, units in SERVICES.items():
        assert running(pair, node, *units) == [*units]
        assert ask(pair, node, STATUS)[0] == 200


def test_a_restart_that_pauses_a_service_is_refused_unless_that_is_accepted(pair: Cluster):
    words = ("cluster", "restart", "-i", pair.inventory, "--only", "queue", "--only", "manager")
    before = pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server")

    refused = pair.manage(*words, check=False)
    assert refused.returncode == 8
    assert "restart-interrupts" in refused.stderr
    assert pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server") == before

    idle = pair.manage(*words[:-4], "--only", "queue", "--node", "manager-2", check=False)
    assert (idle.returncode, "manager-2: it has no such role" in idle.stderr) == (3, True)

    killed_run(pair, (*words, "--interrupt"), of_kind("phase-finished", "restart/queue"))
    resumed = events_of(pair.manage(*words, "--interrupt", "--json").stdout)
    assert finished(resumed, "restart/queue") == {"manager-1": "unchanged"}
    assert set(finished(resumed, "restart/manager")) == {"manager-1", "manager-2"}
    assert pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server") != before
    assert ask(pair, "manager-2", STATUS)[0] == 200


def test_a_nodes_own_services_stop_and_start_again_after_a_kill(pair: Cluster):
    node, units = "manager-2", SERVICES["manager-2"]

    wrong = pair.on(node, "cfy_manager", "stop", "queue_service", check=False)
    assert (wrong.returncode, "not installed here" in wrong.stderr) == (3, True)
    kill_at(pair, node, "cfy_manager stop", NGINX_STOPS)
    pair.on(node, "cfy_manager", "stop", "manager_service")
    assert running(pair, node, *units) == []
    again = pair.on(node, "cfy_manager", "stop").stdout
    assert "nginx.service did not run" in again

    pair.on(node, "timeout", "-s", "KILL", "3", "cfy_manager", "start", check=False)
    pair.sh(node, "systemctl stop nginx")
    with broken_nginx(pair, node):
        broken = pair.on(node, "cfy_manager", "start", check=False, timeout_s=300)
    assert_told_of_nginx(broken)
    pair.on(node, "cfy_manager", "start", timeout_s=300)
    assert running(pair, node, *units) == [*units]
    assert ask(pair, node, STATUS)[0] == 200

    before = pair.sh(node, "systemctl show -P MainPID cloudify-restservice")
    wrong = pair.on(node, "cfy_manager", "restart", "database_service", check=False)
    assert (wrong.returncode, "not installed here" in wrong.stderr) == (3, True)
    kill_at(pair, node, "cfy_manager restart", NGINX_STOPS)
    pair.on(node, "cfy_manager", "restart", "manager_service", timeout_s=300)
    assert pair.sh(node, "systemctl show -P MainPID cloudify-restservice") != before
    assert ask(pair, node, STATUS)[0] == 200
