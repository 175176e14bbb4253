"""A rolling restart under load, killed in its middle and gone on with; refusals of may-stop.

One restart of everything happens in a fixture; the tests look at what its clients saw.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from installer.errors import Refused
from installer.foresight.forecast import Loss
from tests.support.cluster import Cluster, wait_until
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.losses import leader, predicted, say
from tests.support.traffic import Traffic, assert_no_request_failed, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
MIDDLE = "restart/queue"  # the kill comes when one of its nodes is done
HAND_OVER = "Let a replica lead in place of this node"


@dataclass
class Restarted:
    """What clients saw during a restart, and what its two runs told."""

    traffic: Traffic
    primary: str
    killed: list[Event] = field(default_factory=list)
    resumed: list[Event] = field(default_factory=list)

    def span(self, phase: str) -> tuple[float, float]:
        """Return when a phase of the second run began and ended."""
        begin, end = (
            datetime.fromisoformat(event["time"]).timestamp()
            for event in self.resumed
            if event.get("phase") == phase and event["kind"] in ("phase-started", "phase-finished")
        )
        return begin, end


@pytest.fixture(scope="module")
def restarted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Restarted:
    """Databases, brokers, managers restarted under their clients; the first run is killed."""
    with traffic(cluster, tmp_path_factory.mktemp("restart")) as clients:
        seen = Restarted(clients, leader(cluster))
        seen.killed = killed_run(cluster, command(cluster), in_its_middle)
        seen.resumed = events_of(cluster.manage(*command(cluster), "--json").stdout)
    return seen


def command(cluster: Cluster) -> tuple[str, ...]:
    only = (word for role in ("database", "queue", "manager") for word in ("--only", role))
    return ("cluster", "restart", "-i", str(cluster.inventory), *only)


def in_its_middle(told: Event) -> bool:
    return (told["kind"], told.get("phase")) == ("node-finished", MIDDLE)


def test_nothing_acknowledged_is_lost_by_a_restart(restarted):
    assert_nothing_lost(restarted.traffic)


def test_publishing_resumes_while_brokers_restart(restarted):
    assert restarted.traffic.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_writes_pause_no_longer_than_a_switchover(restarted, cluster):
    forecast = predicted(cluster, Loss.SWITCHOVER)

    gap_s = restarted.traffic.rows.longest_gap_s()
    say(f"longest gap {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_no_request_fails_while_managers_restart(restarted):
    begin, end = restarted.span("restart/manager")

    assert_no_request_failed(restarted.traffic, begin=begin, end=end)


def test_the_primary_hands_over_and_restarts_last(restarted):
    ended = [
        (event["node"], event["changes"])
        for event in restarted.killed
        if event["kind"] == "node-finished" and event["phase"] == "restart/database"
    ]

    assert [node for node, changes in ended if HAND_OVER in changes] == [ended[-1][0]]
    assert ended[-1][0] == restarted.primary


def test_the_next_run_leaves_alone_what_the_killed_one_restarted(restarted, cluster):
    databases = finished(restarted.resumed, "restart/database")
    (first,) = finished(restarted.killed, MIDDLE)
    brokers = finished(restarted.resumed, MIDDLE)

    assert databases == dict.fromkeys(cluster.having("database"), "unchanged")
    assert [node for node, outcome in brokers.items() if outcome == "unchanged"] == [first]
    assert set(brokers) == set(cluster.having("queue"))


def test_a_broker_must_not_stop_while_another_is_down(restarted, cluster):
    down, other, *_ = cluster.having("queue")
    cluster.on(down, "systemctl", "stop", "rabbitmq-server")
    try:
        words = ("cluster", "may-stop", other, "-i", str(cluster.inventory), "--json")
        said = cluster.manage(*words, check=False)
    finally:
        cluster.on(down, "systemctl", "start", "rabbitmq-server")
    answer = json.loads(said.stdout)

    assert said.returncode == Refused.exit_code
    assert [objection["part"] for objection in answer["objections"]] == ["queue"]
    assert answer["not_whole"] == [down]
    whole = lambda: cluster.manage(*words, check=False).returncode == 0  # noqa: E731
    wait_until(whole, f"{other} may stop again", timeout_s=60)
