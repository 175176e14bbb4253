"""Nodes of each role come and go, and a leader is made anew, under their clients."""

import pytest

from installer.errors import ConfigError, NodeUnreachable, Refused
from installer.foresight.forecast import Loss
from tests.cluster.members.conftest import SPARES
from tests.support.killed import finished
from tests.support.losses import predicted, say
from tests.support.member_story import states
from tests.support.traffic import assert_nothing_lost

pytestmark = pytest.mark.cluster

FIRST = ["10.79.0.11", "10.79.0.12", "10.79.0.13"]
WRITER_RETRY_S = 0.2
LOADED_S = 3  # what two cores that carry all hosts add
AT_ONCE = 5  # requests that may be open when an address moves
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("last", Refused.exit_code, "2 database nodes would be left"),
        ("unknown", ConfigError.exit_code, "no node has this name"),
        ("leader", Refused.exit_code, "it leads the databases"),
        ("broker", Refused.exit_code, "this broker runs"),
        ("nowhere", NodeUnreachable.exit_code, "cannot log in"),
        ("alive", Refused.exit_code, "its services run, and it cannot be reached by SSH"),
        ("even", ConfigError.exit_code, "4 database nodes survive no more failures"),
    ],
)
def test_what_would_harm_the_cluster_is_refused(story, name, code, reason):
    assert story.codes[name] == code
    assert reason in " ".join(story.said[name].split())


def test_a_refusal_leaves_the_inventory_as_it_was(story):
    assert story.seen["refused"]


@pytest.mark.parametrize("what", ["brokers gone", "databases gone", "manager and balancer gone"])
def test_a_removed_node_leaves_nothing_behind(story, what):
    """Neither with the others and the controller nor, with its secrets, on its host."""
    as_before, left = story.seen[what]

    assert as_before
    assert left == []


def test_every_queue_keeps_three_replicas_when_brokers_join(story):
    """More would cost writes and survive nothing that matters."""
    queues = story.seen["queues of five"]

    assert queues
    assert {name: len(set(held)) for name, held in queues.items()} == dict.fromkeys(queues, 3)


def test_the_killed_addition_had_begun(story):
    told = story.killed["add"]

    assert any("install package rabbitmq-server" in (e.get("changes") or ()) for e in told)
    assert not any((e["kind"], e.get("phase")) == ("phase-finished", "queue/broker") for e in told)


def test_the_killed_removal_had_taken_one_broker_out_and_not_the_other(story):
    told = story.killed["remove"]

    assert [*finished(told, "leave/queue")] == ["node-4"]
    assert "Remove node-4 from the cluster of brokers" in " ".join(told[-1]["changes"])


@pytest.mark.parametrize("name", ["one of two", "addition"])
def test_other_words_are_refused_while_a_removal_is_under_way(story, name):
    said = " ".join(story.said[name].split())

    assert story.codes[name] == Refused.exit_code
    assert "`cfy_manager cluster remove-node node-4 node-5` began and has not finished" in said


def test_the_same_words_go_on_with_a_removal(story):
    assert "has begun before; this goes on" in " ".join(story.said["remove brokers"].split())


def test_two_databases_that_join_follow_the_primary_and_vote(story):
    databases, voting = story.seen["five"]

    assert states(databases) == {f"node-{number}": "well" for number in range(1, 6)}
    assert voting == sorted([*FIRST, *SPARES.values()])


def test_a_manager_and_a_load_balancer_that_stood_in_the_inventory_serve(story):
    assert story.seen["manager"] == "401"
    assert len(story.seen["owners"]) == 1


def test_a_living_leader_hands_over_once_and_comes_back_anew_at_its_address(story):
    node, (before, old), (after, new) = story.seen["leader"]
    databases, voting = story.seen["anew"]

    assert after == before + 1
    assert new != old, "it has keys of its own"
    assert states(databases) == {f"node-{number}": "well" for number in range(1, 4)}
    assert databases[node]["Role"] != "Leader"
    assert voting == FIRST


def test_nothing_acknowledged_is_lost_while_members_change(story):
    assert_nothing_lost(story.clients)


def test_each_command_tells_its_time_and_the_longest_pause_of_its_writers(story):
    since = min(story.clients.rows.acknowledged().values())
    spans = {name: span for name, span in story.spans.items() if span[0] > since}
    assert len(spans) >= 7  # the refusals came before the writers
    for name, (begin, end) in spans.items():
        rows, messages = (
            ledger.longest_gap_s(begin=begin, end=end)
            for ledger in (story.clients.rows, story.clients.messages)
        )
        say(f"{name}: {end - begin:.0f} s, rows {rows:.1f} s, messages {messages:.1f} s")


def test_writes_pause_no_longer_than_for_a_switchover_while_members_change(story):
    forecast = predicted(story.cluster, Loss.SWITCHOVER)

    gap_s = story.clients.rows.longest_gap_s()
    say(f"rows: {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_publishing_resumes_while_members_change(story):
    assert story.clients.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_requests_fail_only_while_another_database_begins_to_lead(story):
    """Managers restart one after the other, and load balancers come, unseen.

    One that goes takes along the connections that are open then, where it has the address.
    """
    spans, (leader, *_) = story.spans, story.seen["leader"]
    electing = [spans[name] for name in ("hand over", "replace leader") if name in spans]
    leaving = [spans["remove manager and balancer"]]
    if leader in story.cluster.having("loadbalancer"):
        leaving.append(spans["replace leader"])
    entries = story.clients.requests.entries()

    failed = [entry for entry in entries if entry["ended"] != "200"]
    cut = [entry for entry in failed if "ConnectionReset" in entry["ended"]]
    refused = [entry for entry in failed if entry["ended"] == "503"]
    say(f"{len(entries)} requests, {len(refused)} refused, {len(cut)} cut: {cut}")
    assert len([entry for entry in entries if not _meets_any(entry, electing)]) > 100
    assert [entry for entry in failed if entry not in (*cut, *refused)] == []
    assert [entry for entry in refused if not _meets_any(entry, electing)] == []
    assert [entry for entry in cut if not _meets_any(entry, leaving)] == []
    assert all(len([e for e in cut if _meets_any(e, [span])]) <= AT_ONCE for span in leaving)


def _meets_any(entry, spans):
    began, ended = entry["time"], entry["time"] + entry["seconds"]
    return any(began <= last and ended >= first for first, last in spans)
