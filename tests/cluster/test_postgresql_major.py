"""PostgreSQL 15 becomes 17 with the data in place: each way killed, taken back, done.

Debian 12's 15 runs on Debian 13, as after an upgrade of the hosts. The story is told by a fixture;
the tests look at what was told, and at what is there.
"""

import copy
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.errors import Refused
from installer.sandbox import record
from tests.support.cluster import Cluster, run, tool
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.losses import leader, members, say, sql
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

OLD, NEW = 15, 17
NODES = ("node-1", "node-2", "node-3")
KEEPER = "10.77.0.13"  # keeps the backups too: a cluster for tests only
STILL_S = 900.0  # a bound for a machine that does much else: with a load of 50 it took 203 s
ROWS = 20_000
_HASH = "count(*) || ' ' || md5(string_agg(number || text, ',' ORDER BY number))"
INVENTORY: dict[str, Any] = {
    "cluster": {"name": "major"},
    "nodes": [
        {"name": "node-1", "address": "10.77.0.11", "roles": ["database", "queue", "manager"]},
        {"name": "node-2", "address": "10.77.0.12", "roles": ["database"]},
        {"name": "node-3", "address": KEEPER, "roles": ["database"]},
    ],
    "waive": [
        "queue-beside-database",
        "backup-beside-database",
        "single-manager",
        "single-queue",
    ],
    "settings": {
        "postgresql_server": {"major_version": OLD, "config": {"shared_buffers": "128MB"}},
        "backup": {
            "repository": "sftp",
            "path": "/srv/backups",
            "encryption_password": "Xo3gieW8ooNg4Iey",
            "sftp": {"host": KEEPER, "user": "root"},
        },
    },
}


@dataclass
class Story:
    """What each command told, and the version with its rows as they were between."""

    first: tuple[str, str]
    after_back: tuple[str, str] = ("", "")
    again: tuple[str, str] = ("", "")
    done_once: tuple[str, str] = ("", "")
    given_up: tuple[str, str] = ("", "")  # after a way back that lost what was written since
    last: tuple[str, str] = ("", "")
    refused: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    killed: list[list[Event]] = field(default_factory=list)
    back_killed: list[Event] = field(default_factory=list)
    back: list[Event] = field(default_factory=list)
    done: list[Event] = field(default_factory=list)
    lost: list[Event] = field(default_factory=list)
    backups: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="module")
def small(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three databases of the older version, a broker and a manager.

    CFY_TEST_MAJOR names a sandbox that has them already.
    """
    folder = tmp_path_factory.mktemp("major")
    words = ("bundle", "build", "--release", "trixie", "--postgresql", str(OLD))
    bundle = tool(*words, "--output", folder / "bundle").splitlines()[-1]
    source = write_inventory(folder)
    if name := os.environ.get("CFY_TEST_MAJOR"):
        found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
        cluster = Cluster(name, Path(found.strip()))
        open_keeper(cluster, folder)
        yield cluster
        return
    with sandbox_of("major", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        open_keeper(cluster, folder)
        cluster.install()
        yield cluster


def write_inventory(folder: Path) -> Path:
    """Write the inventory, and the key with which backups go to the keeper."""
    key, known_hosts, source = (folder / name for name in ("key", "known_hosts", "major.yaml"))
    run(("ssh-keygen", "-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", str(key)))
    known_hosts.touch()
    paths = {"private_key_path": str(key), "known_hosts_path": str(known_hosts)}
    document = copy.deepcopy(INVENTORY)
    document["settings"]["backup"]["sftp"] |= paths
    source.write_text(yaml.safe_dump(document))
    return source


def open_keeper(cluster: Cluster, folder: Path) -> None:
    """Let the databases write backups on one of them, by SFTP with a key of its own."""
    known_hosts = record.ssh_dir(cluster.name) / "known_hosts"
    (folder / "known_hosts").write_text(known_hosts.read_text())
    public = (folder / "key.pub").read_text().strip()
    cluster.sh("node-3", f"echo '{public}' >> /root/.ssh/authorized_keys; mkdir -p /srv/backups")


def upgrade(cluster: Cluster, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return cluster.manage(*words_of(cluster, *words), check=check)


def words_of(cluster: Cluster, *words: str) -> tuple[str | Path, ...]:
    return ("cluster", "upgrade", "-i", cluster.inventory, "--postgresql", str(NEW), *words)


def in_phase(name: str) -> Any:
    """Tell whether an event shows that a phase has begun its work on a node."""
    return lambda event: event["kind"] == "node-note" and event["phase"] == name


def after_phase(name: str) -> Any:
    return lambda event: event["kind"] == "phase-finished" and event["phase"] == name


def look(cluster: Cluster) -> tuple[str, str]:
    """Return the primary's version, and its rows by number and hash."""
    said = sql(cluster, leader(cluster), f"SHOW server_version; SELECT {_HASH} FROM kept")
    told, found = said.splitlines()
    return told.split()[0], found


def paused(cluster: Cluster, verb: str) -> None:
    cluster.sh("node-1", f"patronictl -c /etc/patroni/config.yml {verb} --wait")


@pytest.fixture(scope="module")
def story(small: Cluster) -> Story:
    """Refused; killed, and taken back by two runs; killed, gone on with; given up; done again."""
    fill = f"INSERT INTO kept SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n"
    sql(small, leader(small), f"CREATE TABLE kept (number int PRIMARY KEY, text text); {fill}")
    told = Story(first=look(small))
    paused(small, "pause")
    told.refused["Patroni is paused, and nobody accepted a pause"] = upgrade(small, check=False)
    paused(small, "resume")
    others = ("cluster", "upgrade", "-i", small.inventory, "--postgresql", "18", "--interrupt")
    told.refused["no bundle has it"] = small.manage(*others, check=False)

    begun = words_of(small, "--interrupt", "--without-backup")
    told.killed.append(killed_run(small, begun, in_phase("postgresql/convert")))
    bundle = ("cluster", "upgrade", "-i", small.inventory, "--bundle", "templates", "--dry-run")
    told.refused["a bundle beside one under way"] = small.manage(*bundle, check=False)
    told.refused["a start on a node"] = small.on("node-1", "cfy_manager", "start", check=False)
    back = words_of(small, "--roll-back")
    told.back_killed = killed_run(small, back, after_phase("postgresql/old primary"))
    told.back = events_of(upgrade(small, "--roll-back", "--json").stdout)
    told.after_back = look(small)

    sql(small, leader(small), f"INSERT INTO kept VALUES ({ROWS + 1}, 'after the way back')")
    told.again = look(small)
    told.killed.append(killed_run(small, begun, after_phase("postgresql/primary")))
    told.done = events_of(upgrade(small, "--json").stdout)
    told.done_once = look(small)
    sql(small, leader(small), f"INSERT INTO kept VALUES ({ROWS + 2}, 'given up')")
    told.refused["what was written since would go"] = upgrade(small, "--roll-back", check=False)
    told.lost = events_of(upgrade(small, "--roll-back", "--lose-writes", "--json").stdout)
    told.given_up = look(small)

    upgrade(small, "--interrupt", "--without-backup")
    told.last = look(small)
    listed = small.manage("cluster", "backup", "list", "-i", small.inventory, "--json").stdout
    told.backups = [json.loads(line) for line in listed.splitlines()]
    return told


@pytest.mark.parametrize(
    ("why", "code"),
    [
        ("Patroni is paused, and nobody accepted a pause", "postgresql-not-ready"),
        ("Patroni is paused, and nobody accepted a pause", "restart-interrupts"),
        ("no bundle has it", "postgresql-not-there"),
        ("a bundle beside one under way", "postgresql-under-way"),
        ("a start on a node", "postgresql-under-way"),
        ("what was written since would go", "postgresql-writes-since"),
    ],
)
def test_nothing_begins_that_cannot_end_or_that_nobody_accepted(story, why, code):
    refused = story.refused[why]

    assert refused.returncode == Refused.exit_code
    assert code in refused.stderr


def test_a_killed_run_is_taken_back_with_all_rows_by_two_runs(story):
    """The first way back ends when the old primary leads again, and nobody follows it yet."""
    assert story.killed[0][-1]["phase"] == "postgresql/convert"
    assert story.back_killed[-1]["phase"] == "postgresql/old primary"
    assert story.back[-1]["kind"] == "postgresql-roll-back"
    assert story.first[0].startswith(f"{OLD}.")
    assert story.first[1].startswith(f"{ROWS} ")
    assert story.after_back == story.first


def test_a_killed_run_is_gone_on_with_and_every_row_is_there(story):
    assert story.done_once[0].startswith(f"{NEW}.")
    assert story.done_once[1].startswith(f"{ROWS + 1} ")
    assert story.done_once[1] == story.again[1]
    begun = [event["phase"] for event in story.done if event["kind"] == "phase-started"]
    assert "postgresql/packages" not in begun, "what was tried before is not tried again"


def test_every_replica_streams_the_new_version(small, story):
    found = members(small)

    assert {name: member["State"] for name, member in found.items()} == {
        name: "running" if member["Role"] == "Leader" else "streaming"
        for name, member in found.items()
    }
    assert len(found) == len(NODES)
    assert len(finished(story.done, "postgresql/replicas")) == len(NODES) - 1


def test_how_long_nobody_could_read_or_write_is_told(story):
    (end,) = (event for event in story.done if event["kind"] == "postgresql-upgrade")

    say(f"nobody could read or write for {end['stood_still_s']:.0f} s, a kill in it")
    say(f"the way back took {story.back[-1]['stood_still_s']:.0f} s")
    assert (end["before"], end["now"]) == (OLD, NEW)
    assert 0 < end["stood_still_s"] < STILL_S


def test_the_repository_goes_on_with_a_full_backup_of_the_new_version(story):
    kept = story.backups[-1]

    assert kept["type"] == "full"
    assert kept["rows"]["public.kept"] == ROWS + 1


def test_executions_work_and_nothing_is_left_to_change(small, story):
    assert story.done
    small.manage("cluster", "sanity-check", "-i", small.inventory)
    plan = small.manage("cluster", "plan", "-i", small.inventory).stdout

    assert "no changes" in plan
    assert small.document["settings"]["postgresql_server"]["major_version"] == NEW


def test_writes_are_given_up_where_that_is_said_and_nothing_else_is(story):
    """Every row that the managers' stop found is there, and another change begins from them."""
    assert story.lost[-1]["kind"] == "postgresql-roll-back"
    assert story.given_up == story.again
    assert story.last == story.done_once


def test_the_old_version_goes_for_good_when_told(small, story):
    assert story.done
    upgrade(small, "--remove-old")

    for node in NODES:
        assert small.sh(node, "ls /var/lib/postgresql/15; ls /usr/lib/postgresql").split() == ["17"]
    assert look(small) == story.last
