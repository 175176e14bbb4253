"""What `cluster forecast` and `whatif` foretell comes true on ten real hosts.

Each event happens once, in one story that ends with the cluster whole; the tests look at it.
"""

import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from installer.foresight.forecast import Loss
from installer.foresight.outlook import load_outlook
from installer.foresight.survival import Leaders, Outcome, Part
from installer.foresight.whatif import Consequence, consequence
from tests.support.cluster import Cluster, wait_until
from tests.support.ledger import Ledger, Task, as_manager, kept, now
from tests.support.losses import (
    leader,
    members,
    new_token,
    predicted,
    say,
    sql,
    synchronous_replica,
)

pytestmark = pytest.mark.cluster

TABLE = "foresight_ledger"
WRITER_RETRY_S = 0.2
LOADED_S = 3  # what two cores that carry ten hosts add
WHOLE_S = 120


@dataclass
class Story:
    """What was foretold, and what was seen."""

    ledger: Ledger
    switched_at: float = 0
    lost_at: float = 0
    told: list[Consequence] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    read_only: dict[str, str] = field(default_factory=dict)
    rows: set[int] = field(default_factory=set)


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A switchover; the loss of the synchronous replica with a broker; then of the primary too."""
    path = tmp_path_factory.mktemp("foresight") / "rows"
    token = new_token(cluster)
    writer = Task(words=as_manager("write_rows", TABLE), host="manager-1")
    lost: list[str] = []
    try:
        with kept(cluster, writer, path) as ledger:
            story = Story(ledger)
            wait_until(lambda: len(ledger.acknowledged()) > 20, "rows are written", timeout_s=20)
            _switch_over(cluster, story)
            _lose_replica_and_broker(cluster, story, token, lost)
            _lose_the_primary_too(cluster, story, token, lost)
            _heal(cluster, lost)
            wait_until(lambda: ledger.acknowledged(since=now() - 1), "writes resume", timeout_s=60)
        story.rows = set(
            map(int, sql(cluster, leader(cluster), f"SELECT number FROM {TABLE}").split())
        )
        yield story
    finally:
        _heal(cluster, lost)
        sql(cluster, leader(cluster), f"DROP TABLE IF EXISTS {TABLE}")


def _switch_over(cluster: Cluster, story: Story) -> None:
    old, new = leader(cluster), synchronous_replica(cluster)
    story.switched_at = now()
    words = ("--leader", old, "--candidate", new, "--force")
    cluster.on(old, "patronictl", "-c", "/etc/patroni/config.yml", "switchover", "postgres", *words)
    wait_until(lambda: leader(cluster) == new, f"{new} leads", timeout_s=60)
    wait_until(lambda: _is_whole(cluster), "all replicas follow", timeout_s=WHOLE_S)


def _lose_replica_and_broker(cluster: Cluster, story: Story, token: str, lost: list[str]) -> None:
    lost += [synchronous_replica(cluster), cluster.having("queue")[1]]
    story.told.append(_foretold(cluster, lost))
    story.lost_at = now()
    for node in lost:
        cluster.fail("power-off", node)
    wait_until(
        lambda: synchronous_replica(cluster) not in lost, "another is synchronous", timeout_s=60
    )
    resumed = lambda: story.ledger.acknowledged(since=now() - 1)  # noqa: E731
    wait_until(resumed, "writes resume", timeout_s=60)
    story.answers["REST"] = request(cluster, token)


def _lose_the_primary_too(cluster: Cluster, story: Story, token: str, lost: list[str]) -> None:
    primary = leader(cluster)
    story.told.append(_foretold(cluster, [*lost, primary]))
    lost.append(primary)
    cluster.fail("power-off", primary)
    (last,) = {*cluster.having("database")} - {*lost}
    wait_until(lambda: "503" in request(cluster, token), "requests are refused", timeout_s=60)
    ledger = story.ledger
    wait_until(lambda: not ledger.acknowledged(since=now() - 10), "no write for 10 s", timeout_s=60)
    story.read_only = {
        "replica": sql(cluster, last, "SELECT pg_is_in_recovery()").strip(),
        "rows": sql(cluster, last, f"SELECT count(*) FROM {TABLE}").strip(),
        "REST": request(cluster, token),
    }


def _foretold(cluster: Cluster, lost: list[str]) -> Consequence:
    known = Leaders(primary=leader(cluster), synchronous=synchronous_replica(cluster))
    return consequence(load_outlook(cluster.inventory), lost, leaders=known)


def _heal(cluster: Cluster, lost: list[str]) -> None:
    for node in lost:
        cluster.heal(node)
    lost.clear()
    wait_until(lambda: _is_whole(cluster), "all replicas follow", timeout_s=WHOLE_S)
    healthy = lambda: cluster.cluster_status()["status"] == "OK"  # noqa: E731
    wait_until(healthy, "the cluster is healthy", timeout_s=WHOLE_S)


def _is_whole(cluster: Cluster) -> bool:
    found = members(cluster).values()
    return sorted(str(member["Role"]) for member in found) == ["Leader", "Replica", "Sync Standby"]


def request(cluster: Cluster, token: str) -> str:
    """Return the status of a request through the load balancer that reads the database."""
    url = f"https://{cluster.document['load_balancer']['address']}/api/v3.1/blueprints"
    said: subprocess.CompletedProcess[str] = cluster.beside(
        *("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", cluster.ca),
        *("-H", "Tenant: default_tenant", "-K", "-", url),
        input=f'header = "Authentication-Token: {token}"\n',
        check=False,
    )
    return said.stdout


def test_a_switchover_stops_writes_no_longer_than_foretold(story, cluster):
    forecast = predicted(cluster, Loss.SWITCHOVER)

    gap_s = max(_gaps(story, story.switched_at, story.lost_at))

    say(f"switchover: {gap_s:.1f} s; {forecast.shortest_s:.1f} to {forecast.longest_s:.1f} s")
    assert forecast.shortest_s <= gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_commits_wait_for_a_lost_synchronous_replica_as_long_as_foretold(story, cluster):
    forecast = predicted(cluster, Loss.SYNCHRONOUS_REPLICA)

    gap_s = max(_gaps(story, story.lost_at - 1, story.lost_at + forecast.longest_s + LOADED_S))

    say(f"commits hung: {gap_s:.1f} s; {forecast.shortest_s:.1f} to {forecast.longest_s:.1f} s")
    assert forecast.shortest_s <= gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_the_loss_of_a_database_and_a_broker_is_survived_as_foretold(story):
    told, _ = story.told

    assert told.exit_code == 0
    assert story.answers["REST"] == "200"


def test_the_last_of_three_databases_is_read_only_as_foretold(story):
    _, told = story.told

    assert told.fate(Part.DATABASE).outcome is Outcome.READ_ONLY
    assert told.fate(Part.REST).outcome is Outcome.DOWN
    assert (story.read_only["replica"], story.read_only["REST"]) == ("t", "503")
    assert int(story.read_only["rows"]) > 0


def test_no_acknowledged_row_is_lost_by_all_that(story):
    acknowledged = set(story.ledger.acknowledged())

    assert len(acknowledged) > 100
    assert acknowledged - story.rows == set()


def _gaps(story: Story, since: float, until: float) -> list[float]:
    """Return the times between acknowledgements, of those that begin in this time."""
    times = sorted(story.ledger.acknowledged().values())
    pairs = itertools.pairwise(times)
    return [after - before for before, after in pairs if since <= before <= until]


def test_the_commands_tell_what_the_tests_are_held_to(cluster):
    said = cluster.manage("cluster", "forecast", "-i", cluster.inventory, "--json").stdout

    losses = {each["loss"]: each for each in json.loads(said)["forecasts"]}
    told = predicted(cluster, Loss.PRIMARY_HOST)
    assert losses["primary-host"]["longest_s"] == told.longest_s


def test_a_live_picture_tells_how_nodes_are_and_who_leads(cluster):
    said = cluster.manage("cluster", "graph", "-i", cluster.inventory, "--live").stdout

    told = {line.split()[0]: line.split()[-2:] for line in said.splitlines() if "zone" in line}
    assert told[leader(cluster)] == ["ok", "leader"]
    assert told[synchronous_replica(cluster)] == ["ok", "synchronous"]
    assert told["queue-2"][-1] == "ok"
