"""The table of links against a cluster that runs: who listens where, and who is connected."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from installer.inventory import load_inventory
from installer.links import EVERY_ADDRESS, Transport, links, listeners

pytestmark = pytest.mark.cluster

_FIRST_OF_CLIENTS = 32768  # ip_local_port_range: above are the clients' own ends


def _end(word):
    address, _, port = word.rpartition(":")
    address = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
    return address, int(port) if port.isdigit() else 0


def _bind(address):
    return EVERY_ADDRESS if address in ("0.0.0.0", "*", "::") else address


def _ends(lines):
    """Return the two ends of each socket as (address, port); the port of anybody is 0."""
    return [[_end(word) for word in line.split() if ":" in word][:2] for line in lines]


@pytest.fixture(scope="module")
def inventory(cluster):
    return load_inventory(cluster.inventory)


@pytest.fixture(scope="module")
def sockets(cluster):
    """What listens on each node, and what is connected there."""

    def look(node):
        script = "ss -Hntl; echo; ss -Hnt state established"
        said = cluster.sh(node, script).split("\n\n")
        return [_ends(part.splitlines()) for part in said]

    with ThreadPoolExecutor(len(cluster.nodes)) as pool:
        return dict(zip(cluster.nodes, pool.map(look, cluster.nodes), strict=True))


def test_what_listens_is_what_the_table_says_and_nothing_else(sockets, inventory):
    for node in inventory.nodes:
        held = {
            (port, _bind(address))
            for (address, port), _ in sockets[node.name][0]
            if port != node.ssh.port and not address.startswith("127.") and address != "::1"
        }
        told = {
            (listener.port, listener.bind)
            for listener in listeners(inventory)
            if listener.node == node.name
            and listener.transport is Transport.TCP
            and not listener.is_loopback
        }
        assert held == told, node.name


def test_every_connection_between_nodes_is_one_of_the_table(sockets, inventory):
    names = {node.address: node.name for node in inventory.nodes}
    told = {(link.source, link.target, link.port) for link in links(inventory)}

    found = {
        (node.name, names[address], port)
        for node in inventory.nodes
        for _, (address, port) in sockets[node.name][1]
        if names.get(address, node.name) != node.name and port < _FIRST_OF_CLIENTS
    }

    assert found
    assert found - told == set()


def test_a_cluster_that_runs_is_asked_itself_and_has_no_finding(cluster):
    done = cluster.manage("cluster", "preflight", "-i", cluster.inventory, "--json", check=False)

    told = json.loads(done.stdout.splitlines()[-1])
    tried = told["network"]["links"]
    assert [finding for finding in told["findings"] if finding["verdict"] == "failed"] == []
    assert [link for link in tried if not link["ok"]] == []
    assert {link["listener"] for link in tried} == {"service"}
