"""An upgrade under load: a canary that fails and goes back, then a whole one, killed in its middle.

Everything happens in a fixture; the tests look at what was told, and at what clients saw.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.errors import PhaseFailed, Refused
from installer.foresight.forecast import Loss
from tests.support.cluster import TOOL, Cluster, tool
from tests.support.losses import leader, predicted, say, sql
from tests.support.next_bundle import SUFFIX, VERSION, build_next
from tests.support.sandbox import sandbox_of
from tests.support.traffic import Traffic, assert_no_request_failed, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

PACKAGES = {"patroni": "database", "rabbitmq-server": "queue", "syncthing": "manager"}
SERVICES = ["database", "queue"]
MIDDLE = "upgrade/database"  # the kill comes when one of its nodes is done
LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
Event = dict[str, Any]
INVENTORY = {
    "cluster": {"name": "upgrade"},
    "ssh": {"user": "root"},
    "nodes": [
        {"name": "node-1", "address": "10.77.0.11", "roles": [*SERVICES, "manager"], "zone": "a"},
        {"name": "node-2", "address": "10.77.0.12", "roles": [*SERVICES, "manager"], "zone": "b"},
        {"name": "node-3", "address": "10.77.0.13", "roles": SERVICES, "zone": "c"},
        {"name": "lb-1", "address": "10.77.0.14", "roles": ["loadbalancer"], "zone": "c"},
    ],
    "load_balancer": {"address": "10.77.0.14"},
    "waive": ["queue-beside-database"],
    "secrets": "secrets.yaml",
    "certificates": "certificates",
    "settings": {"postgresql_server": {"config": {"shared_buffers": "128MB"}}},
}


@dataclass
class Upgraded:
    """What three runs told, and what clients saw meanwhile."""

    traffic: Traffic
    before: str
    after: str
    refused: subprocess.CompletedProcess[str]
    failed: subprocess.CompletedProcess[str]
    kept: dict[str, str] = field(default_factory=dict)  # versions after the canary went back
    killed: list[Event] = field(default_factory=list)
    resumed: list[Event] = field(default_factory=list)


@pytest.fixture(scope="module")
def small(
    machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Three compact nodes with two managers, and a load balancer, of the present bundle."""
    source = tmp_path_factory.mktemp("inventory") / "upgrade.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    with sandbox_of("upgrade", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield cluster


@pytest.fixture(scope="module")
def upgraded(small: Cluster, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    """A bundle that cannot work, then one that does; the clients go on all the while."""
    folder = tmp_path_factory.mktemp("bundles")
    broken = build_next(bundle, folder / "broken", ["syncthing"], broken=True)
    good = build_next(bundle, folder / "good", [*PACKAGES])
    with traffic(small, tmp_path_factory.mktemp("upgrade"), manager="node-1") as clients:
        seen = Upgraded(
            traffic=clients,
            before=str(bundle),
            after=str(good),
            refused=upgrade(small, "--bundle", good, "--json", check=False),
            failed=upgrade(
                small,
                *("--bundle", broken, "--canary", "node-2", "--without-backup"),
                check=False,
            ),
        )
        seen.kept = versions(small, "node-2")
        seen.killed = killed_upgrade(small, good)
        said = upgrade(small, "--json", "--without-backup").stdout
        seen.resumed = [json.loads(line) for line in said.splitlines()]
    return seen


def words_of(cluster: Cluster, *words: str | Path) -> tuple[str, ...]:
    return ("cluster", "upgrade", "-i", str(cluster.inventory), "--observe", "2", *map(str, words))


def upgrade(
    cluster: Cluster, *words: str | Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return cluster.manage(*words_of(cluster, *words), check=check)


def killed_upgrade(cluster: Cluster, bundle: Path) -> list[Event]:
    """Begin an upgrade, kill it when one node of its middle is done, and return its events."""
    asked = words_of(cluster, "--bundle", bundle, "--canary", "node-2", "--without-backup")
    words = (*TOOL, "sandbox", "exec", cluster.name, "--", *TOOL, *asked, "--json")
    events: list[Event] = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["kind"] == "node-finished" and events[-1]["phase"] == MIDDLE:
                process.kill()
    return events


def versions(cluster: Cluster, node: str) -> dict[str, str]:
    """Return the packages' versions of a node, and the runtime's where it is a manager."""
    said = cluster.manage("cluster", "version", "-i", cluster.inventory, "--json").stdout
    found = [each for each in json.loads(said)["nodes"] if each["node"] == node]
    return {each["program"]: each["version"] for each in found}


def finished(events: list[Event], phase: str) -> list[str]:
    return [e["node"] for e in events if e["kind"] == "node-finished" and e["phase"] == phase]


def test_without_a_backup_nothing_begins(upgraded):
    assert upgraded.refused.returncode == Refused.exit_code
    assert "backup-without-repository" in upgraded.refused.stdout + upgraded.refused.stderr


def test_a_canary_that_fails_goes_back_and_ends_the_upgrade(upgraded):
    said = upgraded.failed.stdout + upgraded.failed.stderr

    assert upgraded.failed.returncode == PhaseFailed.exit_code
    assert "canary-rolled-back" in said
    assert "there_is_no_such_table" in said
    assert VERSION not in upgraded.kept.values()
    assert not any(version.endswith(SUFFIX) for version in upgraded.kept.values())


def test_nothing_acknowledged_is_lost_by_an_upgrade(upgraded):
    assert_nothing_lost(upgraded.traffic)


def test_no_request_fails_while_managers_are_upgraded(upgraded):
    for events, phase in ((upgraded.killed, "canary"), (upgraded.resumed, "manager")):
        begin, end = span(events, f"upgrade/{phase}")
        assert_no_request_failed(upgraded.traffic, begin=begin, end=end)


def test_writes_pause_no_longer_than_a_switchover(upgraded, small):
    forecast = predicted(small, Loss.SWITCHOVER)

    gap_s = upgraded.traffic.rows.longest_gap_s()
    say(f"longest gap {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S


def test_the_next_run_goes_on_where_the_killed_one_ended(upgraded, small):
    first = finished(upgraded.killed, MIDDLE)

    rest = finished(upgraded.resumed, MIDDLE)
    assert sorted([*first, *rest]) == small.having("database")
    assert "upgrade/canary" not in {event.get("phase") for event in upgraded.resumed}
    assert finished(upgraded.resumed, "upgrade/manager") == ["node-1"]


def test_every_node_has_the_new_versions(upgraded, small):
    for node in small.nodes:
        found = versions(small, node)
        for package, role in PACKAGES.items():
            assert found.get(package, SUFFIX).endswith(SUFFIX), f"{package} on {node}, {role}"
        assert found["cfy_manager"] == VERSION
        assert found.get("runtime", VERSION) == VERSION


def test_the_schema_is_finished_once_all_managers_are_new(upgraded, small):
    revisions = sql(small, leader(small), "SELECT version_num FROM alembic_version")

    assert revisions.split() == ["0005"]


def test_afterwards_nothing_is_left_to_do(upgraded, small):
    assert small.document["bundle"] == upgraded.after

    again = upgrade(small, "--bundle", upgraded.after, "--dry-run").stdout
    assert "nothing to upgrade" in again


def test_an_older_release_is_refused(upgraded, small):
    done = upgrade(small, "--bundle", upgraded.before, "--dry-run", check=False)

    assert done.returncode == Refused.exit_code
    assert "upgrade-backwards" in done.stdout + done.stderr


def span(events: list[Event], phase: str) -> tuple[float, float]:
    begin, end = (
        datetime.fromisoformat(event["time"]).timestamp()
        for event in events
        if event.get("phase") == phase and event["kind"] in ("phase-started", "phase-finished")
    )
    return begin, end
