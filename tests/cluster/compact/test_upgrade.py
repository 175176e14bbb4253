"""An upgrade under load: canaries that go back, then a whole one, killed in its middle.

Everything happens in a fixture; the tests look at what was told, and at what clients saw.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from installer.errors import PhaseFailed, Refused
from installer.foresight.forecast import Loss
from tests.support.cluster import Cluster, wait_until
from tests.support.compact import HELD_BACK
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.losses import leader, predicted, say, sql
from tests.support.next_bundle import SUFFIX, VERSION, build_next
from tests.support.traffic import Traffic, assert_no_request_failed, assert_nothing_lost, traffic

pytestmark = pytest.mark.cluster

PACKAGES = {"patroni": "database", "rabbitmq-server": "queue", "syncthing": "manager"}
CANARY, OTHER = "node-2", "node-1"
AWAY = "node-3"  # a database and a broker: no matter of the managers' way back
MIDDLE = "upgrade/database"
LOADED_S = 3  # what two cores that carry all hosts add
WRITER_RETRY_S = 0.2
PUBLISHING_RESUMES_S = 30  # the figure of test_losses.py for a broker's end without warning
Versions = dict[str, dict[str, str]]  # node → program → version


@dataclass
class Sight:
    """What the nodes are at one moment."""

    versions: Versions
    revision: str  # of the managers' schema
    disabled: list[str]  # RabbitMQ's feature flags that are stable


@dataclass
class Upgraded:
    """What the runs told, and what clients saw meanwhile."""

    traffic: Traffic
    before: str
    after: str
    begin: Sight
    refused: subprocess.CompletedProcess[str]
    planned: str
    failed: subprocess.CompletedProcess[str]
    kept: Sight  # after the canary went back
    marked: dict[str, list[str]] = field(default_factory=dict)  # moment → nodes
    begun: list[Event] = field(default_factory=list)  # killed when the next canary was new
    meanwhile: list[subprocess.CompletedProcess[str]] = field(default_factory=list)
    back_killed: list[Event] = field(default_factory=list)
    back: list[Event] = field(default_factory=list)  # by hand
    unmarked: subprocess.CompletedProcess[str] | None = None
    taken_back: Sight | None = None
    killed: list[Event] = field(default_factory=list)
    middle: Sight | None = None
    resumed: list[Event] = field(default_factory=list)
    end: Sight | None = None

    def span(self, phase: str) -> tuple[float, float]:
        """Return when a phase began and ended, over both runs."""
        times = [
            datetime.fromisoformat(event["time"]).timestamp()
            for event in (*self.killed, *self.resumed)
            if event.get("phase") == phase
        ]
        return min(times), max(times)


@pytest.fixture(scope="module")
def upgraded(compact: Cluster, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    """A bundle that cannot work, then one that does; the clients go on all the while."""
    folder = tmp_path_factory.mktemp("bundles")
    broken = build_next(bundle, folder / "broken", ["syncthing"], broken=True)
    good = build_next(bundle, folder / "good", [*PACKAGES])
    with traffic(compact, tmp_path_factory.mktemp("upgrade"), manager=OTHER) as clients:
        begin = look(compact)
        wrong = ("--bundle", str(broken), "--canary", CANARY, "--without-backup")
        seen = Upgraded(
            traffic=clients,
            before=str(bundle),
            after=str(good),
            begin=begin,
            refused=upgrade(compact, "--bundle", good, inventory=unkept(compact), check=False),
            planned=upgrade(compact, "--bundle", good, "--dry-run").stdout,
            failed=upgrade(compact, *wrong, check=False),
            kept=look(compact),
        )
        seen.marked["a canary that failed"] = marked(compact)
        words = words_of(compact.inventory, "--bundle", good, "--canary", CANARY)
        seen.begun = killed_run(compact, (*words, "--without-backup"), canary_is_new)
        seen.marked["under way"] = marked(compact)
        seen.meanwhile = refused_meanwhile(compact, folder)
        back = words_of(compact.inventory, "--roll-back")
        seen.back_killed = killed_run(compact, back, canary_is_down)
        compact.sh(AWAY, "systemctl stop ssh")
        seen.back = events_of(upgrade(compact, "--roll-back", "--json").stdout)
        compact.sh(AWAY, "systemctl start ssh")
        seen.marked["taken back, a host away"] = marked(compact)
        seen.unmarked = upgrade(compact, "--roll-back")
        seen.taken_back = look(compact)
        seen.marked["taken back"] = marked(compact)
        seen.killed = killed_run(compact, words, in_the_middle())
        seen.middle = look(compact)
        seen.resumed = events_of(upgrade(compact, "--json").stdout)
    seen.end = look(compact)
    seen.marked["the end"] = marked(compact)
    return seen


def words_of(inventory: Path, *words: str | Path) -> tuple[str | Path, ...]:
    return ("cluster", "upgrade", "-i", inventory, "--observe", "2", *words)


def upgrade(
    cluster: Cluster, *words: str | Path, inventory: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    return cluster.manage(*words_of(inventory or cluster.inventory, *words), check=check)


def unkept(cluster: Cluster) -> Path:
    """Return an inventory of the same cluster without a repository for backups."""
    document = cluster.document
    del document["settings"]["backup"]
    path = cluster.inventory.with_name("unkept.yaml")
    path.write_text(yaml.safe_dump(document))
    return path


def canary_is_new(event: Event) -> bool:
    """Tell the moment when an upgraded canary is about to be tried."""
    is_there = event.get("phase") == "upgrade/canary" and event["kind"] == "node-note"
    return is_there and event["text"].startswith("a blueprint goes")


def canary_is_down(event: Event) -> bool:
    """Tell the moment when a canary on its way back has stopped."""
    is_there = event.get("phase") == "roll-back/manager" and event["kind"] == "node-note"
    return is_there and event["text"].startswith("replace")


def refused_meanwhile(cluster: Cluster, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run what would bring nodes back to the bundle before, unasked: here, there, and on them."""
    elsewhere = folder / "elsewhere"
    shutil.copytree(cluster.inventory.parent, elsewhere, ignore=shutil.ignore_patterns("*.runs"))
    commands = (
        ("cluster", "install", "-i", cluster.inventory),
        ("cluster", "restore", "--yes", "-i", cluster.inventory),
        ("certificates", "rollover", "-i", cluster.inventory),
        ("cluster", "install", "-i", elsewhere / cluster.inventory.name),
    )
    return [
        *(cluster.manage(*each, check=False) for each in commands),
        *(cluster.on(node, "cfy_manager", "install", check=False) for node in (CANARY, "node-3")),
    ]


def marked(cluster: Cluster) -> list[str]:
    """Return the nodes that tell others of an upgrade under way."""
    script = "[ ! -e /var/lib/cfy_manager/under-way.json ] || echo marked"
    return [node for node in cluster.nodes if cluster.sh(node, script)]


def in_the_middle() -> Callable[[Event], bool]:
    """Return what knows the moment when the second database of an upgrade has stopped."""
    ended: list[str] = []

    def is_there(event: Event) -> bool:
        if event.get("phase") != MIDDLE:
            return False
        if event["kind"] == "node-finished":
            ended.append(event["node"])
        is_down = event["kind"] == "node-note" and event["text"].startswith("replace")
        return is_down and bool(ended)

    return is_there


def look(cluster: Cluster) -> Sight:
    said = cluster.manage("cluster", "version", "-i", cluster.inventory, "--json").stdout
    versions: Versions = {}
    for each in json.loads(said)["nodes"]:
        versions.setdefault(each["node"], {})[each["program"]] = each["version"]
    return Sight(
        versions=versions,
        revision=sql(cluster, leader(cluster), "SELECT version_num FROM alembic_version").strip(),
        disabled=[name for name, *state in flags(cluster) if state == ["disabled", "stable"]],
    )


def flags(cluster: Cluster) -> list[list[str]]:
    """Return name, state and stability of each feature flag; a loaded broker is asked again."""
    words = ("rabbitmqctl", "--silent", "list_feature_flags", "name", "state", "stability")
    lines: list[str] = []

    def ask() -> bool:
        lines[:] = cluster.on(OTHER, *words).stdout.splitlines()
        return bool(lines)

    wait_until(ask, "the broker's answer", timeout_s=120)
    return [line.split() for line in lines]


def test_without_a_backup_nothing_begins(upgraded):
    assert upgraded.refused.returncode == Refused.exit_code
    assert "backup-without-repository" in upgraded.refused.stdout + upgraded.refused.stderr


def test_what_would_change_is_told_before(upgraded, compact):
    lines = [line.split() for line in upgraded.planned.splitlines()]

    for package, role in PACKAGES.items():
        told = {line[0] for line in lines if package in line and line[-1].endswith(SUFFIX)}
        assert told == set(compact.having(role)), package


def test_a_canary_that_fails_goes_back_and_ends_the_upgrade(upgraded):
    said = upgraded.failed.stdout + upgraded.failed.stderr

    assert upgraded.failed.returncode == PhaseFailed.exit_code
    assert "canary-rolled-back" in said
    assert "there_is_no_such_table" in said
    assert upgraded.kept == upgraded.begin


def test_what_would_undo_an_upgrade_under_way_is_refused(upgraded):
    for refused in upgraded.meanwhile:
        assert refused.returncode == Refused.exit_code, refused.stderr
        assert "upgrade-under-way" in refused.stdout + refused.stderr


def test_every_node_tells_of_an_upgrade_until_it_ends_or_is_taken_back(upgraded, compact):
    assert upgraded.marked == {
        "a canary that failed": [],
        "under way": [*compact.nodes],
        "taken back, a host away": [AWAY],
        "taken back": [],
        "the end": [],
    }


def test_a_canary_goes_back_by_hand_too(upgraded):
    """It works on the schema that the new release has grown; the next upgrade begins anew.

    The first way back ends in its middle, with the canary down. The second one does without a host
    that is away, and the third one takes the mark of the upgrade from it.
    """
    assert upgraded.back_killed[-1]["node"] == CANARY
    assert finished(upgraded.back, "roll-back/manager") == {CANARY: "changed"}
    assert upgraded.taken_back.versions == upgraded.begin.versions
    assert upgraded.taken_back.revision == "0004"
    assert CANARY in finished(upgraded.killed, "upgrade/canary")


def test_a_backup_comes_before_any_change_and_once(upgraded, compact):
    phases = [e["phase"] for e in upgraded.killed if e["kind"] == "phase-finished"]
    listed = compact.manage("cluster", "backup", "list", "-i", compact.inventory, "--json").stdout

    assert phases.index("backup/database") < phases.index("upgrade/transfer")
    assert len(listed.splitlines()) == 1
    assert not [e for e in upgraded.resumed if e.get("phase", "").startswith("backup/")]


def test_old_and_new_managers_work_side_by_side(upgraded):
    """Between the canary and the last manager the schema has grown, and lost nothing."""
    found = upgraded.middle.versions

    assert found[CANARY]["runtime"] == VERSION
    assert found[OTHER]["runtime"] == upgraded.begin.versions[OTHER]["runtime"]
    assert (upgraded.begin.revision, upgraded.middle.revision) == ("0003", "0004")
    assert upgraded.end.revision == "0005"


def test_feature_flags_follow_the_last_broker(upgraded):
    (node,) = finished(upgraded.resumed, "upgrade/feature-flags").items()

    assert node[1] == "changed"
    assert upgraded.begin.disabled == upgraded.middle.disabled == [HELD_BACK]
    assert upgraded.end.disabled == []
    assert upgraded.span("upgrade/queue")[1] <= upgraded.span("upgrade/feature-flags")[0]


def test_nothing_acknowledged_is_lost_by_an_upgrade(upgraded):
    assert_nothing_lost(upgraded.traffic)


def test_no_request_fails_while_managers_and_brokers_are_upgraded(upgraded):
    """A primary that hands over is the one pause that requests may see."""
    for first, last in (("canary", "canary"), ("queue", "toolkit")):
        begin, end = upgraded.span(f"upgrade/{first}")[0], upgraded.span(f"upgrade/{last}")[1]
        assert_no_request_failed(upgraded.traffic, begin=begin, end=end)


def test_writes_pause_no_longer_than_a_switchover(upgraded, compact):
    forecast = predicted(compact, Loss.SWITCHOVER)

    gap_s = upgraded.traffic.rows.longest_gap_s()
    say(f"longest gap {gap_s:.1f} s; forecast of a switchover: at most {forecast.longest_s:.1f} s")
    assert gap_s <= forecast.longest_s + WRITER_RETRY_S + LOADED_S
    assert upgraded.traffic.messages.longest_gap_s() < PUBLISHING_RESUMES_S


def test_the_next_run_goes_on_where_the_killed_one_ended(upgraded, compact):
    (first,) = finished(upgraded.killed, MIDDLE)

    rest = finished(upgraded.resumed, MIDDLE)
    assert {first, *rest} == set(compact.having("database"))
    assert first not in rest
    assert "upgrade/canary" not in {event.get("phase") for event in upgraded.resumed}
    assert [*finished(upgraded.resumed, "upgrade/manager")] == [OTHER]


def test_every_node_has_the_new_versions(upgraded, compact):
    for node in compact.nodes:
        found = upgraded.end.versions[node]
        for package, role in PACKAGES.items():
            assert found.get(package, SUFFIX).endswith(SUFFIX), f"{package} on {node}, {role}"
        assert found["cfy_manager"] == VERSION
        assert found.get("runtime", VERSION) == VERSION


def test_afterwards_nothing_is_left_to_do(upgraded, compact):
    assert compact.document["bundle"] == upgraded.after

    again = upgrade(compact, "--bundle", upgraded.after, "--dry-run").stdout
    assert "nothing to upgrade" in again


def test_an_older_release_is_refused_and_there_is_no_way_back(upgraded, compact):
    older = upgrade(compact, "--bundle", upgraded.before, "--dry-run", check=False)
    back = upgrade(compact, "--roll-back", check=False)

    assert (older.returncode, back.returncode) == (Refused.exit_code, Refused.exit_code)
    assert "upgrade-backwards" in older.stdout + older.stderr
    assert "no-way-back" in back.stdout + back.stderr
