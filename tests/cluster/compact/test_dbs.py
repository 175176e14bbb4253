"""set-master, reinit and shell on a cluster that works, each killed once in its middle."""

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest

from installer.errors import Refused
from installer.foresight.forecast import Loss
from tests.support.cluster import Cluster
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.losses import leader, members, predicted, say, synchronous_replica
from tests.support.traffic import Traffic, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2


def dbs(cluster: Cluster, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return cluster.manage("dbs", *words, "-i", cluster.inventory, check=check)


def begins(phase: str) -> Any:
    return lambda event: event["kind"] == "node-started" and event["phase"] == phase


def codes(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the codes in brackets of what was refused."""
    assert done.returncode == Refused.exit_code, done.stderr
    told = (line.rstrip().rpartition("[") for line in done.stderr.splitlines())
    return {code.removesuffix("]") for _, bracket, code in told if bracket}


@dataclass
class Worked:
    """What clients saw while the lead changed and a replica was copied anew."""

    clients: Traffic
    before: str
    target: str
    resumed: list[Event] = field(default_factory=list)
    copied: list[Event] = field(default_factory=list)


@pytest.fixture(scope="module")
def worked(compact: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Worked:
    """The synchronous replica leads, then the former primary is copied anew; both runs killed."""
    before, target = leader(compact), synchronous_replica(compact)
    with traffic(compact, tmp_path_factory.mktemp("dbs")) as clients:
        seen = Worked(clients, before, target)
        words = ("dbs", "set-master", target, "-i", compact.inventory)
        killed_run(compact, words, begins("primary/switchover"))
        seen.resumed = events_of(compact.manage(*words, "--json").stdout)
        words = ("dbs", "reinit", before, "-i", compact.inventory)
        killed_run(compact, words, begins("reinit/copy"))
        seen.copied = events_of(compact.manage(*words, "--json").stdout)
    return seen


def test_the_next_run_ends_a_switchover_that_was_killed(worked, compact):
    assert leader(compact) == worked.target
    assert finished(worked.resumed, "primary/writes") == {worked.target: "unchanged"}
    assert set(finished(worked.resumed, "primary/managers")) == set(compact.having("manager"))
    assert set(finished(worked.resumed, "primary/loadbalancers")) == set(
        compact.having("loadbalancer")
    )


def test_nothing_acknowledged_is_lost_by_a_switchover_and_a_copy(worked):
    assert_nothing_lost(worked.clients)


def test_writes_pause_no_longer_than_a_switchover(worked, compact):
    forecast = predicted(compact, Loss.SWITCHOVER)

    gap_s = worked.clients.rows.longest_gap_s()
    say(f"longest gap {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_the_next_run_goes_on_with_a_copy_that_is_under_way(worked, compact):
    assert finished(worked.copied, "reinit/begin") == {worked.before: "unchanged"}
    assert finished(worked.copied, "reinit/copy") == {worked.before: "changed"}
    assert members(compact)[worked.before]["State"] == "streaming"


def test_whoever_may_lack_commits_is_refused(worked, compact):
    primary, synchronous = leader(compact), synchronous_replica(compact)
    (other,) = set(compact.having("database")) - {primary, synchronous}

    assert codes(dbs(compact, "set-master", primary, check=False)) == {"already-primary"}
    assert codes(dbs(compact, "set-master", other, check=False)) == {"replica-not-synchronous"}
    assert codes(dbs(compact, "reinit", primary, check=False)) == {"copy-of-primary"}
    assert leader(compact) == primary


def test_sql_reaches_the_primary_from_the_controller_and_from_any_database(worked, compact):
    asked = "select case when pg_is_in_recovery() then 'replica' else 'primary' end"

    assert "primary" in dbs(compact, "shell", "-c", asked).stdout
    for node in compact.having("database"):
        done = compact.on(node, "cfy_manager", "dbs", "shell", "-c", asked)
        assert "primary" in done.stdout
    assert dbs(compact, "shell", "-c", "select 1/0", check=False).returncode == 3


def test_a_database_node_lists_and_refuses_as_the_controller_does(worked, compact):
    primary = leader(compact)

    done = compact.on(primary, "cfy_manager", "dbs", "set-master", primary, check=False)

    assert codes(done) == {"already-primary"}
    said = json.loads(compact.on(primary, "cfy_manager", "dbs", "list", "--json").stdout)
    assert said["verdict"] == "healthy"
