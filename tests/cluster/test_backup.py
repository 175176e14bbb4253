"""Backups of a cluster on one host: taken and proven under a writer, restored to a moment and anew.

The tests build on each other: the restores use the backups of the tests before them.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.errors import Refused
from tests.support.cluster import ROOT, TOOL, Cluster, tool, wait_until
from tests.support.ledger import Task, as_manager, kept, now
from tests.support.losses import say, sql
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

NODE, TABLE, REPOSITORY = "node-1", "backup_ledger", "/srv/backups"
INVENTORY = {
    "cluster": {"name": "kept"},
    "nodes": [{"name": NODE, "address": "10.77.0.11", "roles": ["database", "queue", "manager"]}],
    "waive": ["single-node", "backup-beside-database"],
    "settings": {
        "postgresql_server": {"config": {"shared_buffers": "256MB"}},
        "backup": {
            "repository": "directory",
            "path": REPOSITORY,
            "encryption_password": "Xo3gieW8ooNg4Iey",
        },
    },
}
_HASHES = f"SELECT count(*), md5(string_agg(number::text, ',' ORDER BY number)) FROM {TABLE}"


@pytest.fixture(scope="module")
def one(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One host with everything. CFY_TEST_KEPT names a sandbox that has it already."""
    bundle = tool("bundle", "build", "--release", "trixie").splitlines()[-1]
    source = tmp_path_factory.mktemp("kept") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    if name := os.environ.get("CFY_TEST_KEPT"):
        yield _installed(name, source, bundle)
        return
    with sandbox_of("kept", source) as made:
        yield _installed(made.name, source, bundle)


def _installed(name: str, source: Path, bundle: str) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    cluster.install()
    return cluster


def manage(cluster: Cluster, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return cluster.manage("cluster", *words, "-i", cluster.inventory, check=check)


def summary(cluster: Cluster, *words: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(manage(cluster, *words, "--json").stdout.splitlines()[-1])
    return told


def backups(cluster: Cluster) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in manage(cluster, "backup", "list", "--json").stdout.splitlines()
    ]


def answers(cluster: Cluster) -> bool:
    url = f"https://{cluster.address(NODE)}/api/v3.1/status"
    said = cluster.beside("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-k", url)
    return said.stdout == "401"


def killed_restore(cluster: Cluster, *words: str) -> list[dict[str, Any]]:
    """Begin a restore and kill it while the restored database takes its place."""
    command = (*TOOL, "cluster", "restore", "-i", str(cluster.inventory), "--yes", "--json", *words)
    events: list[dict[str, Any]] = []
    with subprocess.Popen(
        (*TOOL, "sandbox", "exec", cluster.name, "--", *command),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["kind"] == "node-note" and events[-1]["phase"] == "restore/primary":
                os.killpg(process.pid, signal.SIGKILL)
    return events


def test_nothing_is_restored_where_there_is_no_backup_or_nobody_agreed(one: Cluster):
    without = manage(one, "restore", "--yes", check=False)
    unasked = one.manage("cluster", "restore", "-i", one.inventory, input="", check=False)

    assert (without.returncode, unasked.returncode) == (Refused.exit_code, Refused.exit_code)
    assert "backup-missing" in without.stderr
    assert "not-confirmed" in unasked.stderr
    assert backups(one) == []


def test_a_backup_under_a_writer_is_proven_by_its_rows(one: Cluster, tmp_path: Path):
    """Rows are counted at one moment although somebody writes; a proof finds exactly those."""
    sql(one, NODE, f"DROP TABLE IF EXISTS {TABLE}")
    writer = Task(words=as_manager("write_rows", TABLE), host=NODE)

    with kept(one, writer, tmp_path / "rows") as rows:
        wait_until(lambda: len(rows.acknowledged()) > 20, "the writer's beginning", timeout_s=60)
        taken = summary(one, "backup", "--type", "diff")
    proof = summary(one, "backup", "verify")

    say(f"longest gap of the writer {rows.longest_gap_s():.2f} s; proof {proof['seconds']:.0f} s")
    (listed,) = backups(one)
    assert taken["type"] == "full", "there was none to build on"
    assert listed["rows"][f"public.{TABLE}"] > 20
    assert proof["rows"] == sum(listed["rows"].values())
    assert listed["verified"]["seconds"] == proof["seconds"]


def test_a_moment_comes_back_although_the_restore_is_killed(one: Cluster, tmp_path: Path):
    sql(one, NODE, f"DROP TABLE IF EXISTS {TABLE}")
    writer = Task(words=as_manager("write_rows", TABLE), host=NODE)
    with kept(one, writer, tmp_path / "rows") as rows:
        wait_until(lambda: len(rows.acknowledged()) > 20, "the writer's beginning", timeout_s=60)
        moment = now()
        later = lambda: len(rows.acknowledged(since=moment)) > 20  # noqa: E731
        wait_until(later, "rows after the moment", timeout_s=60)
    sql(one, NODE, f"DELETE FROM {TABLE} WHERE number % 2 = 0")
    before = {n for n, at in rows.acknowledged().items() if at < moment}
    wanted = ("--target-time", datetime.fromtimestamp(moment, UTC).isoformat())

    killed = killed_restore(one, *wanted)
    manage(one, "restore", "--yes", *wanted)

    assert killed[-1]["kind"] == "node-note"
    found = set(map(int, sql(one, NODE, f"SELECT number FROM {TABLE}").split()))
    assert before - found == set(), "acknowledged before the moment, and lost"
    assert max(found) <= max(before) + 1, "written after the moment, and still there"
    wait_until(lambda: answers(one), "the manager answers", timeout_s=60)


def test_moments_without_a_backup_are_refused(one: Cluster):
    too_early = manage(
        one, "restore", "--yes", "--target-time", "2020-01-01T00:00:00Z", check=False
    )

    assert too_early.returncode == Refused.exit_code
    assert "restore-target-unknown" in too_early.stderr
    assert answers(one)


def test_a_cluster_that_is_installed_anew_gets_everything_back(one: Cluster):
    """All that was archived: the database of the new installation is another one."""
    label = summary(one, "backup")["label"]
    sql(one, NODE, f"INSERT INTO {TABLE} VALUES (1000000)")
    hashes = sql(one, NODE, _HASHES)
    sql(one, NODE, "SELECT pg_switch_wal()")
    archived = "SELECT last_archived_wal FROM pg_stat_archiver"
    last = sql(one, NODE, "SELECT pg_walfile_name(pg_current_wal_lsn() - 1)").strip()
    wait_until(lambda: sql(one, NODE, archived).strip() >= last, "the archive", timeout_s=60)
    one.sh(NODE, "systemctl stop patroni etcd; rm -rf /var/lib/postgresql/17/* /var/lib/etcd/*")
    one.install()

    foreign = manage(one, "backup", check=False)
    manage(one, "restore", "--yes")

    assert "backup-repository-foreign" in foreign.stderr
    assert sql(one, NODE, _HASHES) == hashes
    wait_until(lambda: answers(one), "the manager answers", timeout_s=60)
    assert label in [each["label"] for each in backups(one)]
    assert summary(one, "backup", "--type", "incr")["type"] == "incr"
