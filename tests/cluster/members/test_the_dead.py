"""A node that lost its power is replaced at another address, by a run that is killed."""

import pytest

from installer.errors import Refused
from tests.cluster.members.conftest import COMMENT, VIRTUAL_IP
from tests.cluster.members.test_members import LOADED_S, PUBLISHING_RESUMES_S, WRITER_RETRY_S
from tests.support.losses import say
from tests.support.member_story import owners, quorum_queues, states, voters
from tests.support.traffic import assert_nothing_lost

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("other", "replace-node node-2` began and has not finished"),
        ("elsewhere", "its replacement by node-4 at 10.79.0.14 began"),
    ],
)
def test_other_words_are_refused_while_a_replacement_is_under_way(dead, name, reason):
    assert dead.codes[name] == Refused.exit_code
    assert reason in " ".join(dead.said[name].split())


def test_the_killed_replacement_had_begun(dead):
    finished = {e["phase"] for e in dead.killed["replace"] if e["kind"] == "phase-finished"}

    assert "leave/queue" in finished
    assert "leave/host" not in finished


def test_the_new_machine_is_a_whole_member_in_place_of_the_dead_one(dead):
    cluster, databases = dead.cluster, dead.seen["databases"]

    assert [*cluster.nodes] == ["node-1", "node-4", "node-3"]
    assert cluster.nodes["node-4"]["roles"] == ["database", "queue", "manager"]
    assert COMMENT in cluster.inventory.read_text()
    assert states(databases) == {node: "well" for node in sorted(cluster.nodes)}
    assert {m["Host"] for m in databases.values()} == {*map(cluster.address, cluster.nodes)}


def test_etcd_has_the_new_voter_and_not_the_dead_one(dead):
    assert voters(dead.cluster) == ["10.79.0.11", "10.79.0.13", "10.79.0.14"]


def test_every_queue_has_three_replicas_on_the_brokers_that_are_there(dead):
    wanted = [f"rabbit@{name}" for name in sorted(dead.cluster.nodes)]

    queues = quorum_queues(dead.cluster)
    assert queues
    assert queues == dict.fromkeys(queues, wanted)


def test_a_further_install_changes_nothing(dead):
    assert dead.seen["changes"] == []


def test_the_virtual_address_stays_with_the_last_load_balancer(dead):
    assert owners(dead.cluster, VIRTUAL_IP) == ["node-3"]


def test_nothing_acknowledged_is_lost_with_the_node(dead):
    assert_nothing_lost(dead.clients)


def test_writes_pause_for_the_lost_node_no_longer_than_foretold(dead):
    begin, end = dead.spans["lost"]
    forecast = dead.seen["loss"]

    gap_s = dead.clients.rows.longest_gap_s()
    say(f"{forecast.loss}: {gap_s:.1f} s, {end - begin:.1f} s until all go on without it")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_publishing_resumes_without_the_node(dead):
    assert dead.clients.messages.longest_gap_s() < PUBLISHING_RESUMES_S
