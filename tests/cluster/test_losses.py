"""What the cluster keeps when a host loses its power: rows, messages, requests, a true status.

Each loss happens once, in a fixture that heals it; the tests look at what was seen meanwhile.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from installer.foresight.forecast import Loss as Lost
from installer.roles.loadbalancer.probe import servers
from installer.roles.loadbalancer.state import STATISTICS
from tests.support.cluster import Cluster, wait_until
from tests.support.ledger import Ledger, Task, as_manager, kept, now, program
from tests.support.losses import (
    DATABASE,
    etcd_leader,
    leader,
    members,
    new_token,
    predicted,
    say,
    sql,
)

pytestmark = pytest.mark.cluster

TOLD_S = 15  # the figure: cluster status is true within this time after any change
WHOLE_S = 120
TABLE = QUEUE = "loss_ledger"
WRITER_RETRY_S = 0.2  # the writer's own pause between two attempts
LOADED_S = 3  # what two cores that carry ten hosts add: commands, handshakes, timers that are late
# A Raft member is suspected after a few lost heartbeats; the publisher notices a silent host
# after 6 s and spends 3 s on it when it connects again.
PUBLISHING_RESUMES_S = 30
MANAGERS = {"manager-1", "manager-2", "manager-3"}
MANAGER_UNITS = ("nginx", "cloudify-restservice", "cloudify-syncthing", "cloudify-status-reporter")


@dataclass(frozen=True)
class Watch:
    """The cluster's status as the managers told it, twice a second."""

    cluster: Cluster
    token: str
    ledger: Ledger

    def told_at(self, *, since: float, status: str, failing: set[str]) -> float:
        """Wait until the status is told, and return when it was."""

        def times() -> list[float]:
            return [
                entry["time"]
                for entry in self.ledger.entries()
                if entry["time"] > since
                and entry.get("status") == status
                and set(entry["failing"]) == failing
            ]

        what = f"cluster status is {status}, failing: {failing or 'none'}"
        try:
            wait_until(times, what, timeout_s=WHOLE_S)
        except AssertionError as error:
            error.add_note(f"last told: {self.ledger.entries()[-1]}")
            raise
        return times()[0]

    def wait_until_whole(self) -> None:
        self.told_at(since=now(), status="OK", failing=set())


@dataclass
class Loss:
    """One host without power: when it was lost, when its services were back, when that was told."""

    node: str
    ledger: Ledger
    at: float
    told_at: float = 0
    back_at: float = 0
    told_back_at: float = 0
    kind: Lost | None = None  # as the forecast calls it
    found: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def watch(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    token = new_token(cluster)
    path = tmp_path_factory.mktemp("watch") / "status"
    task = client(cluster, token, "watch_status", "cluster-status")
    with kept(cluster, task, path) as ledger:
        watch = Watch(cluster, token, ledger)
        watch.wait_until_whole()
        yield watch


@contextmanager
def healed(watch: Watch, node: str) -> Iterator[None]:
    """Leave the cluster whole, whatever happens in the block."""
    try:
        yield
    finally:
        watch.cluster.heal(node)
        watch.wait_until_whole()


def client(cluster: Cluster, token: str, name: str, route: str) -> Task:
    """Return the task that runs a client of the load balancer beside the hosts."""
    url = f"https://{cluster.document['load_balancer']['address']}/api/v3.1/{route}"
    words = (sys.executable, "-c", program(name), url, str(cluster.ca))
    return Task(words=words, stdin=f"{token}\n")


# --- the database -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lost_primary(watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loss]:
    """The primary's host without power, under a writer, with a row that no standby has."""
    cluster, path = watch.cluster, tmp_path_factory.mktemp("database") / "rows"
    primary = leader(cluster)
    writer = Task(words=as_manager("write_rows", TABLE), host="manager-1")
    try:
        with kept(cluster, writer, path) as ledger, healed(watch, primary):
            wait_until(lambda: len(ledger.acknowledged()) > 20, "rows are written", timeout_s=20)
            diverge(cluster, primary)
            leads_both = etcd_leader(cluster) == primary
            loss = Loss(primary, ledger, at=now())
            loss.kind = Lost.PRIMARY_AND_ETCD_LEADER if leads_both else Lost.PRIMARY_HOST
            cluster.fail("power-off", primary)
            wait_until(lambda: ledger.acknowledged(since=loss.at), "writes resume", timeout_s=60)
            loss.told_at = watch.told_at(since=loss.at, status="Degraded", failing={primary})
            cluster.heal(primary)
            wait_until(lambda: follows(cluster, primary), f"{primary} follows", timeout_s=90)
            loss.back_at = now()
            loss.told_back_at = watch.told_at(since=loss.told_at, status="OK", failing=set())
        loss.found["members"] = members(cluster)
        loss.found["rows"] = {node: rows(cluster, node) for node in cluster.having("database")}
        yield loss
    finally:
        sql(cluster, leader(cluster), f"DROP TABLE IF EXISTS {TABLE}")


def test_no_acknowledged_row_is_lost_with_the_primary(lost_primary):
    acknowledged = set(lost_primary.ledger.acknowledged())

    assert len(acknowledged) > 100
    for node, found in lost_primary.found["rows"].items():
        assert acknowledged - found == set(), f"rows that {node} lacks"


def test_writes_resume_within_the_forecast(lost_primary, cluster):
    """What `cluster forecast` tells the operator of this inventory."""
    forecast = predicted(cluster, lost_primary.kind)
    written = lost_primary.ledger.acknowledged(since=lost_primary.at)
    resumed_s = min(written.values()) - lost_primary.at

    gap_s = lost_primary.ledger.longest_gap_s()
    say(
        f"writes resumed {resumed_s:.1f} s after the loss, longest gap {gap_s:.1f} s; "
        f"forecast of {forecast.loss}: {forecast.shortest_s:.1f} to {forecast.longest_s:.1f} s"
    )
    assert forecast.shortest_s <= resumed_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_the_old_primary_rejoins_without_what_it_alone_had(lost_primary):
    """Its host came back with a row that was never replicated: only pg_rewind takes that away."""
    member = lost_primary.found["members"][lost_primary.node]

    assert member["State"] == "streaming"
    assert member["Role"] in ("Replica", "Sync Standby")
    assert -1 not in lost_primary.found["rows"][lost_primary.node]


def test_a_synchronous_standby_stands_ready_again(lost_primary):
    roles = [member["Role"] for member in lost_primary.found["members"].values()]

    assert sorted(roles) == ["Leader", "Replica", "Sync Standby"]


def follows(cluster: Cluster, node: str) -> bool:
    found = members(cluster)
    roles = {member["Role"] for member in found.values()}
    return found[node]["State"] == "streaming" and "Sync Standby" in roles


def rows(cluster: Cluster, node: str) -> set[int]:
    return set(map(int, sql(cluster, node, f"SELECT number FROM {TABLE}").split()))


def diverge(cluster: Cluster, primary: str) -> None:
    """Let the primary write a row that no standby receives and nobody is told of."""
    row = f"SET synchronous_commit TO local; INSERT INTO {TABLE} VALUES (-1)"
    psql = f"psql -h /run/postgresql -Xq -d {DATABASE} -c {shlex.quote(row)}"
    cluster.sh(primary, f"pkill -STOP -f '^postgres: .*walsender'; runuser -u postgres -- {psql}")


# --- the brokers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lost_broker(watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """The host of a quorum queue's leader without power, under a publisher with confirms."""
    cluster, path = watch.cluster, tmp_path_factory.mktemp("queue") / "messages"
    publisher = Task(words=as_manager("use_queue", "publish", QUEUE), host="manager-1")
    with kept(cluster, publisher, path) as ledger:
        wait_until(lambda: len(ledger.acknowledged()) > 20, "messages go in", timeout_s=20)
        node = str(queue(cluster)["leader"]).removeprefix("rabbit@")
        with healed(watch, node):
            loss = Loss(node, ledger, at=now())
            cluster.fail("power-off", node)
            lost_at = now()  # from here on nothing comes from the lost host
            loss.told_at = watch.told_at(since=loss.at, status="Degraded", failing={node})
            loss.found["client"] = cluster.cluster_status()
            resumed = lambda: ledger.acknowledged(since=lost_at)  # noqa: E731
            wait_until(resumed, "publishing resumes", timeout_s=90)
            cluster.heal(node)
            wait_until(lambda: len(queue(cluster)["online"]) == 3, "a whole quorum", timeout_s=90)
            loss.back_at = now()
            loss.told_back_at = watch.told_at(since=loss.told_at, status="OK", failing=set())
    loss.found["queue"] = queue(cluster)
    loss.found["messages"] = [entry["number"] for entry in ask_queue(cluster, "empty")]
    return loss


def test_no_confirmed_message_is_lost_with_a_broker(lost_broker):
    confirmed = set(lost_broker.ledger.acknowledged())

    assert len(confirmed) > 100
    assert confirmed - set(lost_broker.found["messages"]) == set()


def test_publishing_resumes_after_the_queue_has_a_new_leader(lost_broker):
    gap_s = lost_broker.ledger.longest_gap_s()

    say(f"longest gap {gap_s:.1f} s")
    assert gap_s < PUBLISHING_RESUMES_S


def test_a_lost_broker_rejoins_its_quorum(lost_broker):
    found = lost_broker.found["queue"]

    assert sorted(found["members"]) == ["rabbit@queue-1", "rabbit@queue-2", "rabbit@queue-3"]
    assert sorted(found["online"]) == sorted(found["members"])


def test_the_client_sees_which_broker_is_lost(lost_broker):
    found = lost_broker.found["client"]

    brokers = found["services"]["broker"]
    assert (found["status"], brokers["status"]) == ("Degraded", "Degraded")
    statuses = {name: node["status"] for name, node in brokers["nodes"].items()}
    assert {name for name, status in statuses.items() if status == "Fail"} == {lost_broker.node}


def ask_queue(cluster: Cluster, verb: str) -> list[dict[str, Any]]:
    said = cluster.on("manager-1", *as_manager("use_queue", verb, QUEUE))
    return [json.loads(line) for line in said.stdout.splitlines()]


def queue(cluster: Cluster) -> dict[str, Any]:
    """Return the leader and the members of the quorum queue, and which of these are online."""
    (found,) = ask_queue(cluster, "look")
    return found


# --- the managers -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lost_manager(watch: Watch, tmp_path_factory: pytest.TempPathFactory) -> Loss:
    """The host of the manager that serves us without power, under a stream of requests."""
    cluster, path = watch.cluster, tmp_path_factory.mktemp("manager") / "requests"
    with kept(cluster, client(cluster, watch.token, "send_requests", "version"), path) as ledger:
        wait_until(lambda: len(ledger.entries()) > 20, "requests are answered", timeout_s=20)
        node = serving_manager(cluster)
        with healed(watch, node):
            loss = Loss(node, ledger, at=now())
            cluster.fail("power-off", node)
            loss.told_at = watch.told_at(since=loss.at, status="Degraded", failing={node})
            cluster.heal(node)
            wait_until(lambda: all_active(cluster, node), f"services of {node}", timeout_s=60)
            loss.back_at = now()
            loss.told_back_at = watch.told_at(since=loss.told_at, status="OK", failing=set())
            wait_until(lambda: node in working_managers(cluster), "rotation", timeout_s=30)
            loss.found["working"] = working_managers(cluster)
    return loss


def test_no_request_fails_while_a_manager_is_lost_and_returns(lost_manager):
    requests = lost_manager.ledger.entries()

    slowest_s = max(request["seconds"] for request in requests)
    say(f"{len(requests)} requests, the slowest took {slowest_s:.1f} s")
    assert len(requests) > 100
    assert [request for request in requests if request["ended"] != "200"] == []


def test_a_manager_that_is_back_serves_again(lost_manager):
    assert lost_manager.found["working"] == MANAGERS


def haproxy(cluster: Cluster, words: str) -> str:
    ask = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(sys.argv[2].encode() + b'\\n'); print(s.makefile().read())"
    )
    return cluster.on("lb-1", "python3", "-c", ask, STATISTICS, words).stdout


def serving_manager(cluster: Cluster) -> str:
    """Return the manager that our own address sticks to."""
    found: list[str] = re.findall(r"server_key=(\S+)", haproxy(cluster, "show table clients"))
    return found[0]


def working_managers(cluster: Cluster) -> set[str]:
    return {name for name, works, _ in servers(haproxy(cluster, "show stat")) if works}


def all_active(cluster: Cluster, node: str) -> bool:
    return cluster.on(node, "systemctl", "is-active", *MANAGER_UNITS, check=False).returncode == 0


# --- the status ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lost_broker", "lost_manager"])
def test_a_lost_node_is_told_in_time(kind, request):
    loss = request.getfixturevalue(kind)

    say(f"told after {loss.told_at - loss.at:.1f} s")
    assert loss.told_at - loss.at <= TOLD_S


def test_a_lost_primary_is_told_in_time_once_there_is_a_new_one(lost_primary):
    """Before that there is no database that the managers could ask."""
    written = lost_primary.ledger.acknowledged(since=lost_primary.at)
    after_s = lost_primary.told_at - min(written.values())

    say(f"told {after_s:.1f} s after the first write")
    assert after_s <= TOLD_S


@pytest.mark.parametrize("kind", ["lost_primary", "lost_broker", "lost_manager"])
def test_a_node_that_is_back_is_told_in_time(kind, request):
    loss = request.getfixturevalue(kind)

    say(f"told {loss.told_back_at - loss.back_at:.1f} s after its services were back")
    assert loss.told_back_at - loss.back_at <= TOLD_S
