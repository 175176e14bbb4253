"""A whole cluster stops and starts also when one of its hosts has no power."""

import pytest

from tests.support.cluster import Cluster, wait_until
from tests.support.pair import STATUS, ask, running

pytestmark = pytest.mark.cluster

DEAD, LEFT = "node-3", ("node-1", "node-2")
SERVICES = ("etcd", "patroni", "rabbitmq-server", "cloudify-restservice", "nginx")


@pytest.fixture
def unpowered(compact: Cluster):
    """The cluster while a host of its databases and brokers is off; whole again afterwards."""
    compact.fail("power-off", DEAD)
    yield compact
    compact.heal(DEAD)
    status = ("cluster", "status", "-i", compact.inventory)
    healthy = lambda: compact.manage(*status, check=False).returncode == 0  # noqa: E731
    wait_until(healthy, f"{DEAD} is a member again", timeout_s=180)


def test_who_is_dead_keeps_nobody_from_stopping_and_starting_the_others(unpowered):
    def manage(verb, *words):
        return unpowered.manage("cluster", verb, "-i", unpowered.inventory, *words, check=False)

    refused = manage("stop", "--yes")
    assert refused.returncode == 5
    assert f"{DEAD}: cannot log in" in refused.stderr
    assert "--without-unreachable" in refused.stderr
    assert [running(unpowered, node, *SERVICES) for node in LEFT] == [[*SERVICES]] * 2

    stopped = manage("stop", "--yes", "--without-unreachable")
    assert (stopped.returncode, f"{DEAD}: cannot log in" in stopped.stderr) == (5, True)
    assert [running(unpowered, node, *SERVICES) for node in LEFT] == [[], []]

    refused = manage("start")
    assert refused.returncode == 5
    assert [running(unpowered, node, *SERVICES) for node in LEFT] == [[], []]

    started = manage("start", "--without-unreachable")
    assert (started.returncode, f"{DEAD}: cannot log in" in started.stderr) == (5, True)
    assert [running(unpowered, node, *SERVICES) for node in LEFT] == [[*SERVICES]] * 2
    assert [ask(unpowered, node, STATUS)[0] for node in LEFT] == [200, 200]
