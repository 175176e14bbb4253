"""Nodes come, go and are replaced under their clients, on three compact hosts and a spare one.

One story in a fixture; the tests look at what its runs told and what its clients saw.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.errors import ConfigError, NodeUnreachable, Refused
from installer.foresight.forecast import Loss
from tests.support.cluster import Cluster, tool, wait_until
from tests.support.killed import Event, killed_run
from tests.support.ledger import now
from tests.support.losses import members, predicted, say
from tests.support.sandbox import sandbox_of
from tests.support.traffic import Traffic, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

COMMENT = "# the one that will be lost"
LOST = "- name: node-3\n"
SPARE, SPARE_ADDRESS = "node-4", "10.79.0.14"
NOBODY = "10.79.0.99"
INVENTORY = """\
cluster: {name: members}
nodes:
  - {name: node-1, address: 10.79.0.11, roles: [database, queue, manager]}
  - {name: node-2, address: 10.79.0.12, roles: [database, queue, manager]}
  - {name: node-3, address: 10.79.0.13, roles: [database, queue, manager]}
waive: [queue-beside-database]
settings:
  postgresql_server: {config: {shared_buffers: 256MB}}
"""
MIDDLE = "leave/queue"  # the kill comes when the dead broker is forgotten
BY_HAND = "/etc/cloudify/config.yaml"
WRITER_RETRY_S = 0.2
BEHIND = {"200", "502", "503"}
REFUSED = "ConnectionRefusedError"  # a manager takes no requests before it restarts
LOADED_S = 3  # what two cores that carry all hosts add
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
LOSS_OF = {
    "Leader": Loss.PRIMARY_HOST,
    "Sync Standby": Loss.SYNCHRONOUS_REPLICA,
    "Replica": Loss.REPLICA,
}


@dataclass
class Story:
    """The cluster after all of it, and what each command told."""

    cluster: Cluster
    clients: Traffic | None = None
    codes: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    killed: list[Event] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str, *words: str) -> None:
        """Run a command that may be refused."""
        done = self.cluster.manage(*words, "-i", str(self.cluster.inventory), check=False)
        self.codes[name], self.said[name] = done.returncode, done.stdout + done.stderr

    def do(self, name: str, *words: str) -> None:
        """Run a command of `cluster` that must succeed."""
        self.ask(name, "cluster", *words)
        assert self.codes[name] == 0, self.said[name]


@pytest.fixture(scope="module")
def compact(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three compact nodes and a bare host. CFY_TEST_MEMBERS names a sandbox that has them."""
    source = tmp_path_factory.mktemp("members") / "inventory.yaml"
    source.write_text(INVENTORY)
    if name := os.environ.get("CFY_TEST_MEMBERS"):
        yield _installed(name, source, bundle)
        return
    hosts = source.with_name("hosts.yaml")
    document = yaml.safe_load(INVENTORY)
    spare = {"name": SPARE, "address": SPARE_ADDRESS, "roles": ["manager"]}
    hosts.write_text(yaml.safe_dump({**document, "nodes": [*document["nodes"], spare]}))
    with sandbox_of("members", hosts) as made:
        yield _installed(made.name, source, bundle)


def _installed(name: str, source: Path, bundle: Path) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    text = cluster.inventory.read_text()
    cluster.inventory.write_text(text.replace(LOST, f"{COMMENT}\n{LOST}"))
    cluster.install()
    return cluster


@pytest.fixture(scope="module")
def story(compact: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Refusals; a manager comes and goes; a node is lost, and replaced by a run that is killed."""
    story = Story(compact)
    before = compact.inventory.read_text()
    story.ask("last", "cluster", "remove-node", "node-3")
    story.ask("unknown", "cluster", "remove-node", "node-9")
    story.ask("leader", "dbs", "remove", _leader(compact))
    story.ask("broker", "brokers", "remove", "node-2")
    new = (SPARE, "--address", SPARE_ADDRESS, "--role")
    story.ask("nowhere", "cluster", "replace-node", "node-2", "--address", NOBODY)
    story.ask("even", "cluster", "add-node", *new, "database")
    story.seen["refused"] = compact.inventory.read_text() == before
    with traffic(compact, tmp_path_factory.mktemp("members")) as story.clients:
        story.do("added", "add-node", *new, "manager")
        story.seen["added"] = {**compact.nodes}, _status(compact, SPARE)
        story.do("removed", "remove-node", SPARE)
        story.seen["removed"] = compact.inventory.read_text() == before
        story.seen["cleaned"] = compact.on(SPARE, "ls", BY_HAND, check=False).returncode
        _replace_the_dead(story)
        story.seen["databases"] = members(compact)
    return story


def _replace_the_dead(story: Story) -> None:
    """Cut node-3's power, kill the run that replaces it when brokers forgot it, and go on."""
    cluster = story.cluster
    _lose(story, "node-3")
    words = ("cluster", "replace-node", "node-3", "--address", SPARE_ADDRESS, "--name", SPARE)
    story.killed = killed_run(cluster, (*words, "-i", cluster.inventory), _is_middle)
    story.ask("other", "cluster", "remove-node", "node-2")
    story.ask("elsewhere", "cluster", "replace-node", "node-3", "--address", NOBODY)
    story.do("replaced", "replace-node", "node-3")
    again = cluster.install()
    story.seen["changes"] = [c for event in again for c in event.get("changes") or ()]


def _lose(story: Story, node: str) -> None:
    """Cut a node's power and wait until the others go on without it."""
    cluster = story.cluster
    loss = LOSS_OF[str(members(cluster)[node]["Role"])]
    story.seen["loss"] = predicted(cluster, loss)
    begin = now()
    cluster.fail("power-off", node)
    words = ("cluster", "may-stop", node, "-i", str(cluster.inventory))
    gone_on = lambda: cluster.manage(*words, check=False).returncode == 0  # noqa: E731
    wait_until(gone_on, f"the others go on without {node}", timeout_s=240)
    story.seen["lost"] = begin, now()


def _is_middle(event: Event) -> bool:
    return (event["kind"], event.get("phase")) == ("phase-finished", MIDDLE)


def _leader(cluster: Cluster) -> str:
    return next(name for name, m in members(cluster).items() if m["Role"] == "Leader")


def _status(cluster: Cluster, node: str) -> str:
    url = f"https://{cluster.address(node)}/api/v3.1/status"
    words = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", cluster.ca, url)
    return cluster.beside(*words).stdout


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("last", Refused.exit_code, "2 database nodes would be left"),
        ("unknown", ConfigError.exit_code, "no node has this name"),
        ("leader", Refused.exit_code, "it leads the databases"),
        ("broker", Refused.exit_code, "this broker runs"),
        ("nowhere", NodeUnreachable.exit_code, "cannot log in"),
        ("even", ConfigError.exit_code, "4 database nodes survive no more failures"),
        ("other", Refused.exit_code, "replace-node node-3` began and has not finished"),
        ("elsewhere", Refused.exit_code, "its replacement by node-4 at 10.79.0.14 began"),
    ],
)
def test_what_would_harm_the_cluster_is_refused(story, name, code, reason):
    assert story.codes[name] == code
    assert reason in " ".join(story.said[name].split())


def test_a_refusal_leaves_the_inventory_as_it_was(story):
    assert story.seen["refused"]


def test_a_new_manager_serves_and_stands_in_the_inventory(story):
    nodes, status = story.seen["added"]

    assert nodes[SPARE] == {"name": SPARE, "address": SPARE_ADDRESS, "roles": ["manager"]}
    assert status == "401"


def test_a_removed_node_leaves_nothing_behind(story):
    assert story.seen["removed"], "the inventory is as it was before the node came"
    assert story.seen["cleaned"] != 0, "its configuration, with its secrets, is gone"


def test_the_killed_run_had_begun_the_change(story):
    finished = {e["phase"] for e in story.killed if e["kind"] == "phase-finished"}

    assert MIDDLE in finished
    assert "leave/host" not in finished


def test_the_new_machine_is_a_whole_member_in_place_of_the_dead_one(story):
    cluster = story.cluster

    assert [*cluster.nodes] == ["node-1", "node-2", SPARE]
    assert cluster.nodes[SPARE]["roles"] == ["database", "queue", "manager"]
    assert COMMENT in cluster.inventory.read_text()
    assert {name: m["State"] for name, m in story.seen["databases"].items()} == {
        name: "running" if m["Role"] == "Leader" else "streaming"
        for name, m in story.seen["databases"].items()
    }
    assert {m["Host"] for m in story.seen["databases"].values()} == {
        cluster.address(node) for node in cluster.nodes
    }


def test_etcd_has_the_new_voter_and_not_the_dead_one(story):
    found = story.cluster.pair("node-1")
    said = story.cluster.beside(
        *("curl", "-sS", "--fail", "--cacert", story.cluster.ca, "--cert", found.certificate),
        *("--key", found.key, "https://10.79.0.11:2379/v3/cluster/member/list", "-d", "{}"),
    )
    voters = [m for m in json.loads(said.stdout)["members"] if not m.get("isLearner")]

    addresses = sorted(url.split("/")[2] for m in voters for url in m["peerURLs"])
    assert addresses == ["10.79.0.11:2380", "10.79.0.12:2380", "10.79.0.14:2380"]


def test_every_queue_has_three_replicas_on_the_brokers_that_are_there(story):
    words = ("rabbitmqctl", "-q", "--formatter", "json", "list_queues", "name", "type", "members")
    queues = json.loads(story.cluster.on("node-1", *words).stdout)

    wanted = [f"rabbit@{name}" for name in story.cluster.nodes]
    quorum = [queue for queue in queues if queue["type"] == "quorum"]
    assert quorum
    assert {q["name"]: sorted(q["members"]) for q in quorum} == {q["name"]: wanted for q in quorum}


def test_a_further_install_changes_nothing(story):
    assert story.seen["changes"] == []


def test_nothing_acknowledged_is_lost_while_members_change(story):
    assert_nothing_lost(story.clients)


def test_writes_pause_no_longer_than_for_a_switchover_while_members_change(story):
    begin, end = story.seen["lost"]
    rows = story.clients.rows

    forecast = predicted(story.cluster, Loss.SWITCHOVER)
    before_s, after_s = rows.longest_gap_s(end=begin), rows.longest_gap_s(begin=end)
    say(f"rows: {before_s:.1f} s before the loss, {after_s:.1f} s after it")
    say(f"forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert max(before_s, after_s) <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_writes_pause_for_the_lost_node_no_longer_than_foretold(story):
    begin, end = story.seen["lost"]
    forecast = story.seen["loss"]

    gap_s = story.clients.rows.longest_gap_s(begin=begin, end=end)
    say(f"{forecast.loss}: {gap_s:.1f} s, {end - begin:.1f} s until all go on without it")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_publishing_resumes_while_members_change(story):
    assert story.clients.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_requests_fail_only_while_services_behind_the_web_server_restart(story):
    """Without a load balancer the clients know one manager, whose services restart in turn."""
    ended = Counter(entry["ended"] for entry in story.clients.requests.entries())

    say(f"requests ended {dict(ended)}")
    assert ended["200"] > 100
    unfit = [each for each in ended if each not in BEHIND and not each.startswith(REFUSED)]
    assert unfit == []
    assert ended["200"] > 0.95 * ended.total()
