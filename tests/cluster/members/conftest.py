"""Nodes come, go and are replaced under their clients, on three compact hosts and two spare ones.

Two stories in fixtures; the tests of this folder look at what was told and what clients saw.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from installer.foresight.forecast import Loss
from tests.support.cluster import Cluster, tool, wait_until
from tests.support.ledger import now
from tests.support.losses import leader, members, predicted, synchronous_replica
from tests.support.member_story import (
    Story,
    event,
    leftovers,
    owners,
    quorum_queues,
    status_code,
    timeline,
    voters,
)
from tests.support.sandbox import sandbox_of
from tests.support.traffic import traffic

COMMENT = "# the one that will be lost"
LOST, WRITING = "node-2", "node-1"  # the writers' host stays
SPARES = {"node-4": "10.79.0.14", "node-5": "10.79.0.15"}
AT = [word for address in SPARES.values() for word in ("--address", address)]
NOBODY, VIRTUAL_IP = "10.79.0.99", "10.79.0.40"
INVENTORY = f"""\
cluster: {{name: members}}
nodes:
  - {{name: node-1, address: 10.79.0.11, roles: [database, queue, manager]}}
  - {{name: node-2, address: 10.79.0.12, roles: [database, queue, manager]}}
  - {{name: node-3, address: 10.79.0.13, roles: [database, queue, loadbalancer]}}
load_balancer: {{virtual_ip: {VIRTUAL_IP}}}
waive: [queue-beside-database, single-load-balancer, virtual-ip-alone]
settings:
  postgresql_server: {{config: {{shared_buffers: 256MB}}}}
"""
WRITTEN = """\
- {name: node-4, address: 10.79.0.14, roles: [manager]}
- {name: node-5, address: 10.79.0.15, roles: [loadbalancer]}
"""
LOSS_OF = {
    "Leader": Loss.PRIMARY_HOST,
    "Sync Standby": Loss.SYNCHRONOUS_REPLICA,
    "Replica": Loss.REPLICA,
}


@pytest.fixture(scope="package")
def spared(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three compact nodes and two bare hosts. CFY_TEST_MEMBERS names a sandbox that has them."""
    source = tmp_path_factory.mktemp("members") / "inventory.yaml"
    source.write_text(INVENTORY)
    if name := os.environ.get("CFY_TEST_MEMBERS"):
        yield _installed(name, source, bundle)
        return
    hosts = source.with_name("hosts.yaml")
    document = yaml.safe_load(INVENTORY)
    bare = [{"name": n, "address": a, "roles": ["manager"]} for n, a in SPARES.items()]
    hosts.write_text(yaml.safe_dump({**document, "nodes": [*document["nodes"], *bare]}))
    with sandbox_of("members", hosts) as made:
        yield _installed(made.name, source, bundle)


def _installed(name: str, source: Path, bundle: Path) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    text, entry = cluster.inventory.read_text(), f"- name: {LOST}\n"
    cluster.inventory.write_text(text.replace(entry, f"{COMMENT}\n{entry}"))
    cluster.install()
    return cluster


@pytest.fixture(scope="package")
def story(spared: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Refusals first; then each kind of node comes and goes, and a leader is made anew."""
    story = Story(spared)
    _refuse(story)
    folder = tmp_path_factory.mktemp("changes")
    with traffic(spared, folder, manager=WRITING) as story.clients:
        _change_brokers(story)
        _change_databases(story)
        _add_what_is_written(story)
        _replace_the_leader(story)
        _remove_what_came(story)
    return story


@pytest.fixture(scope="package")
def dead(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A node loses its power, and the run that replaces it is killed."""
    dead, cluster = Story(story.cluster), story.cluster
    with traffic(cluster, tmp_path_factory.mktemp("dead"), manager=WRITING) as dead.clients:
        _replace_the_dead(dead)
        dead.seen["databases"] = members(cluster)
    again = cluster.install()
    dead.seen["changes"] = [c for told in again for c in told.get("changes") or ()]
    return dead


def _refuse(story: Story) -> None:
    before = story.cluster.inventory.read_text()
    story.ask("last", "cluster", "remove-node", "node-2")
    story.ask("unknown", "cluster", "remove-node", "node-9")
    story.ask("leader", "dbs", "remove", leader(story.cluster))
    story.ask("broker", "brokers", "remove", "node-2")
    story.ask("nowhere", "cluster", "replace-node", "node-2", "--address", NOBODY)
    story.ask("even", "dbs", "add", "node-4", "--address", SPARES["node-4"])
    _ask_without_ssh(story, LOST)
    story.seen["refused"] = story.cluster.inventory.read_text() == before


def _ask_without_ssh(story: Story, node: str) -> None:
    """Ask for a node's replacement that only SSH does not reach."""
    story.cluster.on(node, "systemctl", "stop", "ssh.socket", "ssh")
    try:
        story.ask("alive", "cluster", "replace-node", node)
    finally:
        story.cluster.on(node, "systemctl", "start", "ssh")


def _change_brokers(story: Story) -> None:
    """Two brokers come and, stopped by hand, go; either run is killed in its middle."""
    cluster, before = story.cluster, story.cluster.inventory.read_text()
    story.kill("add", ("brokers", "add", *SPARES, *AT), event("phase-started", "queue/broker"))
    story.do("add brokers", "brokers", "add", *SPARES)
    story.seen["queues of five"] = quorum_queues(cluster)
    for node in SPARES:
        cluster.on(node, "systemctl", "stop", "rabbitmq-server")
    words = ("brokers", "remove", *SPARES)
    story.kill("remove", words, event("node-finished", "leave/queue"))
    story.ask("one of two", "brokers", "remove", "node-5")
    story.ask("addition", "brokers", "add", *SPARES, *AT)
    story.do("remove brokers", *words)
    story.seen["brokers gone"] = _gone(cluster, before)


def _change_databases(story: Story) -> None:
    cluster, before = story.cluster, story.cluster.inventory.read_text()
    story.do("add databases", "dbs", "add", *SPARES, *AT)
    story.seen["five"] = members(cluster), voters(cluster)
    story.do("remove databases", "dbs", "remove", *SPARES)
    story.seen["databases gone"] = _gone(cluster, before)


def _add_what_is_written(story: Story) -> None:
    """Add a manager and a load balancer that stand in the inventory already."""
    cluster, before = story.cluster, story.cluster.inventory.read_text()
    cluster.inventory.write_text(before.replace("load_balancer:", f"{WRITTEN}load_balancer:"))
    story.do("add manager and balancer", "cluster", "add-node", *SPARES)
    story.seen["before"] = before
    story.seen["manager"] = status_code(cluster, "node-4")
    story.seen["owners"] = owners(cluster, VIRTUAL_IP)


def _remove_what_came(story: Story) -> None:
    story.do("remove manager and balancer", "cluster", "remove-node", *SPARES)
    story.seen["manager and balancer gone"] = _gone(story.cluster, story.seen["before"])


def _replace_the_leader(story: Story) -> None:
    """Make the host anew, at its address, that leads the databases and works."""
    cluster = story.cluster
    if leader(cluster) == WRITING:
        story.do("hand over", "dbs", "set-master", synchronous_replica(cluster))
    node = leader(cluster)
    before = timeline(cluster), cluster.pair(node).certificate.read_bytes()
    story.do("replace leader", "cluster", "replace-node", node)
    after = timeline(cluster), cluster.pair(node).certificate.read_bytes()
    story.seen["leader"] = node, before, after
    story.seen["anew"] = members(cluster), voters(cluster)


def _replace_the_dead(story: Story) -> None:
    """Cut a node's power, kill the run that replaces it when brokers forgot it, and go on."""
    _lose(story)
    words = ("cluster", "replace-node", LOST, "--address", SPARES["node-4"], "--name", "node-4")
    story.kill("replace", words, event("phase-finished", "leave/queue"))
    story.ask("other", "cluster", "remove-node", "node-3")
    story.ask("elsewhere", "cluster", "replace-node", LOST, "--address", NOBODY)
    story.do("replace dead", "cluster", "replace-node", LOST)


def _lose(story: Story) -> None:
    """Cut the node's power and wait until the others go on without it."""
    cluster = story.cluster
    story.seen["loss"] = predicted(cluster, LOSS_OF[str(members(cluster)[LOST]["Role"])])
    begin = now()
    cluster.fail("power-off", LOST)
    words = ("cluster", "may-stop", LOST, "-i", str(cluster.inventory))
    gone_on = lambda: cluster.manage(*words, check=False).returncode == 0  # noqa: E731
    wait_until(gone_on, f"the others go on without {LOST}", timeout_s=240)
    story.spans["lost"] = begin, now()


def _gone(cluster: Cluster, before: str) -> tuple[bool, list[str]]:
    """Tell whether the inventory is as it was, and what is left of those that came and went."""
    return cluster.inventory.read_text() == before, leftovers(cluster, tuple(SPARES))
