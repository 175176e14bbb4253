"""Backups of three databases, two managers and a broker, in a store that all reach by SFTP.

The tests build on each other: the restores use the backups of the tests before them.
"""

import base64
import functools
import http.client
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from installer.errors import PhaseFailed, Refused
from installer.sandbox import record
from installer.sandbox.plan import DEFAULT_NETWORK, Node, plan_hosts
from tests.journeys.operator import BLUEPRINTS, Operator
from tests.support.blank_hosts import put_blank_hosts
from tests.support.cfy_client import Cfy, Login
from tests.support.cluster import TOOL, Cluster, tool, wait_until
from tests.support.killed import killed_run
from tests.support.ledger import Task, as_manager, kept
from tests.support.losses import leader, say, sql
from tests.support.sandbox import Sandbox, sandbox_of

pytestmark = pytest.mark.cluster

TABLE, REPOSITORY = "backup_ledger", "/srv/backups"
STORE = {"store": "10.77.0.14"}
NODES: list[dict[str, Any]] = [
    {"name": "node-1", "address": "10.77.0.11", "roles": ["database", "queue", "manager"]},
    {"name": "node-2", "address": "10.77.0.12", "roles": ["database", "manager"]},
    {"name": "node-3", "address": "10.77.0.13", "roles": ["database"]},
]
DATABASES = [node["name"] for node in NODES]
# what is bought after the loss: fewer, elsewhere, and one has the address that another had
BOUGHT: list[dict[str, Any]] = [
    {"name": "node-1", "address": "10.77.0.21", "roles": ["database", "queue", "manager"]},
    {"name": "node-7", "address": "10.77.0.11", "roles": ["manager"]},
]
SCRATCH = "/var/lib/postgresql/backup/verify"
SECRET, SECRET_VALUE, BLUEPRINT, AGENT = "kept_secret", "sealed in the backup", "hello", "agent_7"
# the tables that nobody writes to but the people of this story
TABLES = ("blueprints", "deployments", "nodes", "secrets", "users", "tenants", "plugins", TABLE)
PARTS = ["keys", "queue", "files"]
GAP_S = 15  # a lock of milliseconds; the rest is what two loaded cores add


@dataclass
class Story:
    """The cluster, and the hashes of its tables at the moment that is to come back."""

    cluster: Cluster
    hashes: dict[str, str] = field(default_factory=dict)

    def manage(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.cluster.manage("cluster", *words, "-i", self.cluster.inventory, **options)

    def summary(self, *words: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.manage(*words, "--json").stdout.splitlines()[-1])
        return told

    def backups(self) -> list[dict[str, Any]]:
        said = self.manage("backup", "list", "--json").stdout
        return [json.loads(line) for line in said.splitlines()]

    def refusal(self, *words: str, **options: Any) -> str:
        """Return what is said of a command that must be refused."""
        done = self.manage(*words, check=False, **options)
        assert done.returncode == Refused.exit_code, done.stdout + done.stderr
        return done.stderr

    def killed(
        self, when: Mapping[str, str], *words: str, once: Callable[[], object] = list
    ) -> None:
        """Begin a command and kill it at the first event that has these values, once it may be."""
        line: tuple[str | Path, ...] = ("cluster", *words, "-i", self.cluster.inventory)

        def is_due(event: dict[str, Any]) -> bool:
            is_it = when.items() <= event.items()
            if is_it:
                once()
            return is_it

        killed_run(self.cluster, line, is_due)

    @property
    def operator(self) -> Operator:
        """A person at the client, logged in to the last manager."""
        cluster = self.cluster
        address = cluster.address(cluster.having("manager")[-1])
        login = Login(address, 443, cluster.ca, "admin", cluster.secrets["admin_password"])
        before = (*TOOL, "sandbox", "exec", cluster.name, "--")
        return Operator(Cfy(cluster.inventory.parent / "cfy", login, before).log_in())


@pytest.fixture(scope="module")
def story(machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The cluster, and the host that is its store. CFY_TEST_KEPT names a sandbox that has both."""
    source = tmp_path_factory.mktemp("kept") / "inventory.yaml"
    if name := os.environ.get("CFY_TEST_KEPT"):
        yield Story(_installed(Sandbox(name, record.load(name).plan), source, bundle))
        return
    addresses = {node["name"]: str(node["address"]) for node in NODES} | STORE
    plan = plan_hosts([Node(name, {DEFAULT_NETWORK: at}) for name, at in addresses.items()])
    with sandbox_of("kept", plan) as made:
        yield Story(_installed(made, source, bundle))


def _installed(sandbox: Sandbox, source: Path, bundle: Path) -> Cluster:
    source.write_text(yaml.safe_dump(_inventory(sandbox)))
    sandbox.output("store", "mkdir", "-p", REPOSITORY)
    found = tool("sandbox", "inventory", sandbox.name, "-i", source, "--bundle", bundle)
    cluster = Cluster(sandbox.name, Path(found.strip()))
    cluster.install()
    return cluster


def _inventory(sandbox: Sandbox) -> dict[str, Any]:
    (address,) = STORE.values()
    keys = {
        "private_key_path": str(sandbox.private_key),
        "known_hosts_path": str(sandbox.known_hosts),
    }
    backup = {
        "repository": "sftp",
        "path": REPOSITORY,
        "encryption_password": "Xo3gieW8ooNg4Iey",
        "sftp": {"host": address, "user": "root", **keys},
    }
    return {
        "cluster": {"name": "kept"},
        "nodes": NODES,
        "waive": ["single-database", "single-queue", "queue-beside-database"],
        "settings": {
            "postgresql_server": {"config": {"shared_buffers": "256MB"}},
            "backup": backup,
        },
    }


def broker(cluster: Cluster, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and answer of the broker's management."""
    login = base64.b64encode(f"cloudify:{cluster.secrets['rabbitmq_password']}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    context = ssl.create_default_context(cafile=str(cluster.ca))
    with cluster.network():
        connection = http.client.HTTPSConnection(
            cluster.address(cluster.having("queue")[0]), 15671, context=context, timeout=30
        )
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/{path}", text, headers)
            reply = connection.getresponse()
            content = reply.read()
            return reply.status, json.loads(content) if content else None
        finally:
            connection.close()


def prepare(story: Story) -> None:
    """Make what a backup must bring back: a secret, a blueprint, an agent's user and its queue."""
    operator = story.operator
    operator.cfy.run("secrets", "create", SECRET, "-s", SECRET_VALUE)
    blueprint = BLUEPRINTS / "hello" / "blueprint.yaml"
    operator.cfy.run("blueprints", "upload", blueprint, "-b", BLUEPRINT)
    for path, body in (
        (f"users/{AGENT}", {"password": "its own", "tags": ""}),
        (f"permissions/%2F/{AGENT}", {"configure": "", "write": ".*", "read": f"^{AGENT}$"}),
        (f"queues/%2F/{AGENT}", {"durable": True}),
    ):
        status, said = broker(story.cluster, "PUT", path, body)
        assert status in (201, 204), said


def hashes(cluster: Cluster, node: str) -> dict[str, str]:
    """Return count and hash of all rows of each table, as a database node has them."""
    one = "SELECT '{0}', count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {0} t"
    said = sql(cluster, node, " UNION ALL ".join(one.format(table) for table in TABLES))
    return dict(line.split("|", 1) for line in said.splitlines())


def change_everything(story: Story) -> None:
    """Do what a restore must take back."""
    operator, cluster = story.operator, story.cluster
    operator.cfy.run("secrets", "delete", SECRET)
    operator.cfy.run("secrets", "create", "younger", "-s", "of no past")
    for path in (f"queues/%2F/{AGENT}", f"users/{AGENT}"):
        assert broker(cluster, "DELETE", path)[0] == 204
    sql(cluster, leader(cluster), f"DELETE FROM {TABLE} WHERE number % 2 = 0")


def has_the_rows(story: Story, node: str) -> bool:
    found = hashes(story.cluster, node)
    assert found == story.hashes
    return True


def assert_everything_is_back(story: Story) -> None:
    """Demand the rows on every replica, and each part by its use."""
    cluster = story.cluster
    for node in cluster.having("database"):
        wait_until(functools.partial(has_the_rows, story, node), node, timeout_s=60)
    operator = story.operator
    assert operator.cfy.json("secrets", "get", SECRET)["value"] == SECRET_VALUE
    deployment = operator.deploy(BLUEPRINT, {"who": "everyone"})
    operator.execute(deployment, "install")
    assert operator.outputs(deployment) == {"said": "hello everyone"}
    _, permission = broker(cluster, "GET", f"permissions/%2F/{AGENT}")
    assert (permission["write"], permission["read"]) == (".*", f"^{AGENT}$")
    assert broker(cluster, "GET", f"queues/%2F/{AGENT}")[1]["durable"] is True


def test_what_cannot_be_done_is_refused(story: Story, tmp_path: Path):
    bare = story.cluster.inventory.with_name("without-repository.yaml")
    document = story.cluster.document
    del document["settings"]["backup"]
    bare.write_text(yaml.safe_dump(document))

    without = story.cluster.manage("cluster", "backup", "-i", bare, check=False)

    assert without.returncode == Refused.exit_code
    assert "backup-without-repository" in without.stderr
    assert "backup-missing" in story.refusal("restore", "--yes")
    assert "not-confirmed" in story.refusal("restore", input="another name\n")
    assert "backup-missing" in story.refusal("backup", "verify")
    assert story.backups() == []


def test_a_backup_goes_on_after_a_kill_and_interrupts_nobody(story: Story, tmp_path: Path):
    prepare(story)
    cluster = story.cluster
    writer = Task(words=as_manager("write_rows", TABLE), host="node-1")

    with kept(cluster, writer, tmp_path / "rows") as rows:
        wait_until(lambda: len(rows.acknowledged()) > 20, "the writer's beginning", timeout_s=60)
        story.killed({"kind": "node-note", "phase": "backup/database"}, "backup")
        taken = story.summary("backup", "--type", "diff")

    say(f"longest gap of the writer {rows.longest_gap_s():.2f} s")
    assert rows.longest_gap_s() < GAP_S
    (listed,) = (one for one in story.backups() if one["label"] == taken["label"])
    assert listed["parts"] == PARTS
    assert listed["rows"][f"public.{TABLE}"] > 20


def scratch_of(cluster: Cluster, node: str) -> str:
    """Return the processes and folders of a proof that a node has."""
    folder, name = SCRATCH.rsplit("/", 1)
    look = f"ps -eo args | grep '[b]ackup/{name}' || :; cd {folder}; find . -name '{name}*' -prune"
    return cluster.sh(node, look)


def test_a_proof_tells_its_time_and_a_broken_backup_is_told_as_broken(story: Story):
    """What a killed proof has left goes with the next one, on whichever node that is."""
    cluster, label = story.cluster, story.backups()[-1]["label"]
    first, second = (node for node in DATABASES if node != leader(cluster))
    begun = functools.partial(cluster.sh, first, f"until test -d {SCRATCH}; do sleep 0.1; done")
    started = {"kind": "node-started", "phase": "verify/database"}
    story.killed(started, "backup", "verify", "--node", first, once=begun)
    left = scratch_of(cluster, first)
    proof = story.summary("backup", "verify", "--node", second)
    say(f"left of the killed proof: {left}")
    assert "./verify" in left.splitlines()
    assert [scratch_of(cluster, node) for node in DATABASES] == [""] * len(DATABASES)
    broken = f"{REPOSITORY}/backup/cloudify/{label} {REPOSITORY}/cfy/{label}"
    cluster.sh("store", f"tar -C / -cf /root/whole.tar {broken}; find {broken} -type f | {_BREAK}")

    told = story.manage("backup", "verify", check=False)
    cluster.sh("store", "tar -C / -xf /root/whole.tar")

    say(f"{proof['rows']} rows proven in {proof['seconds']:.0f} s")
    (listed,) = (one for one in story.backups() if one["label"] == label)
    assert proof["rows"] == sum(listed["rows"].values())
    assert listed["verified"]["seconds"] == proof["seconds"]
    assert told.returncode == PhaseFailed.exit_code, told.stdout
    assert told.stderr.count("[backup-part-damaged]") == len(PARTS)
    assert "backup-failed" in told.stderr


_BREAK = "xargs -n 1 sh -c 'printf damaged | dd of=$0 bs=1 seek=100 conv=notrunc status=none'"


def test_a_moment_comes_back_although_the_restore_is_killed(story: Story, tmp_path: Path):
    """On every replica, with the parts beside it."""
    cluster = story.cluster
    story.hashes, moment = hashes(cluster, leader(cluster)), datetime.now(UTC)
    change_everything(story)
    story.operator.cfy.run("blueprints", "delete", BLUEPRINT)
    wanted = ("restore", "--yes", "--target-time", moment.isoformat())

    story.killed({"kind": "node-note", "phase": "restore/primary"}, *wanted)
    told = story.refusal("install")
    assert "restore-under-way" in told
    assert f"--target-time {moment.isoformat()}" in told
    assert "restore-under-way" in story.refusal("backup")
    began = time.monotonic()
    story.manage(*wanted)

    say(f"the restore after the kill took {time.monotonic() - began:.0f} s")
    assert_everything_is_back(story)


def test_a_moment_before_the_backups_is_refused(story: Story):
    early = story.refusal("restore", "--yes", "--target-time", "2020-01-01T00:00:00Z")

    assert "restore-target-unknown" in early


def test_an_archive_with_a_gap_is_found_out_before_anything_changes(story: Story):
    """PostgreSQL takes a gap for the end: all that came after it would be lost in silence."""
    cluster, primary = story.cluster, leader(story.cluster)
    rows = hashes(cluster, primary)
    for name in ("before", "between", "after"):
        sql(cluster, primary, f"SELECT pg_create_restore_point('{name}')")
        let_archive(cluster, primary)
    segments = f"find {REPOSITORY}/archive/cloudify/*/*/ -type f -name '*-*' | sort"
    gap = cluster.sh("store", f"{segments} | tail -2 | head -1").strip()
    cluster.sh("store", f"mv {gap} /root/gap")

    told = story.manage("restore", "--yes", check=False)
    cluster.sh("store", f"mv /root/gap {gap}")

    assert told.returncode == PhaseFailed.exit_code, told.stdout
    assert "restore-target-not-reached" in told.stderr
    assert leader(cluster) == primary
    assert hashes(cluster, primary) == rows
    assert cluster.sh(primary, "find /var/lib/postgresql/backup -name 'restore*'") == ""


def test_the_timers_keep_everything_night_by_night(story: Story):
    """The primary's own keeps the database, and the controller's adds what no node may have."""
    cluster, before = story.cluster, {one["label"] for one in story.backups()}
    fire(cluster, DATABASES, "cloudify-backup-diff")
    (taken,) = (one for one in story.backups() if one["label"] not in before)
    make_controller(cluster, "node-1")
    enable = ("cfy_manager", "cluster", "backup", "timer", "enable", "-i", str(cluster.inventory))
    cluster.on("node-1", *enable)

    fire(cluster, ["node-1"], "cfy_manager-backup-kept")

    status = story.manage("status", check=False).stdout
    assert (taken["type"], taken["parts"]) == ("diff", [])
    assert [one["parts"] for one in story.backups() if one["label"] == taken["label"]] == [PARTS]
    assert re.search(r"last backup .* ago \(diff\)", status), status


def fire(cluster: Cluster, nodes: list[str], unit: str) -> None:
    """Let systemd's time for a timer come, and await the good end of what it runs."""
    folder = f"/run/systemd/system/{unit}.timer.d"
    soon = "[Timer]\\nOnCalendar=\\nOnActiveSec=1\\nRandomizedDelaySec=0\\nAccuracySec=1\\n"
    for node in nodes:
        cluster.sh(
            node,
            f"mkdir -p {folder}; printf '{soon}' > {folder}/soon.conf; systemctl daemon-reload; "
            f"systemctl restart {unit}.timer",
        )
    for node in nodes:
        wait_until(functools.partial(has_ended, cluster, node, unit), unit, timeout_s=180)
        result = cluster.sh(node, f"systemctl show -P Result {unit}.service").strip()
        assert result == "success", cluster.sh(node, f"journalctl -u {unit} -n 50 --no-pager")


def has_ended(cluster: Cluster, node: str, unit: str) -> bool:
    """Tell whether what a timer runs has run once."""
    said = cluster.sh(node, f"systemctl show -P ExecMainExitTimestampMonotonic {unit}.service")
    return said.strip() != "0"


def make_controller(cluster: Cluster, node: str) -> None:
    """Give a host what the controller has: the inventory's folder and the key for SSH."""
    folder = cluster.inventory.parent
    words = ("tar", "-C", "/", "-c", str(folder), str(folder.parent / "ssh"))
    packed = subprocess.run(words, capture_output=True, check=True).stdout
    text = base64.encodebytes(packed).decode()
    cluster.on(node, "sh", "-euc", "base64 -d | tar -C / -x", input=text)


def test_a_cluster_on_blank_machines_elsewhere_gets_all_back(story: Story):
    """Of the old controller there is only what the how-to says to put aside: one password."""
    cluster = story.cluster
    primary = leader(cluster)
    story.hashes = hashes(cluster, primary)
    let_archive(cluster, primary)
    put_blank_hosts(cluster.name, DATABASES, {node["name"]: node["address"] for node in BOUGHT})
    aside = cluster.secrets["backup_keys_password"]
    for name in ("secrets.yaml", "certificates", "kept.runs"):
        subprocess.run(["rm", "-rf", cluster.inventory.with_name(name)], check=True)
    cluster.inventory.with_name("secrets.yaml").write_text(f"backup_keys_password: {aside}\n")
    cluster.inventory.with_name("secrets.yaml").chmod(0o600)
    cluster.inventory.write_text(yaml.safe_dump(cluster.document | {"nodes": BOUGHT}))
    cluster.install()

    foreign = story.manage("backup", check=False)
    began = time.monotonic()
    story.manage("restore", "--yes")

    say(f"the restore onto blank machines took {time.monotonic() - began:.0f} s")
    assert "backup-repository-foreign" in foreign.stderr
    assert_everything_is_back(story)
    assert_addresses_are_those_of(cluster, BOUGHT)
    assert story.summary("backup", "--type", "incr")["type"] == "incr"


def assert_addresses_are_those_of(cluster: Cluster, nodes: list[dict[str, Any]]) -> None:
    """Demand that managers, and the agents that ask them, know these machines and no others."""

    def having(role: str) -> list[list[str]]:
        return sorted([one["name"], one["address"]] for one in nodes if role in one["roles"])

    known = {
        "manager": "SELECT hostname, private_ip FROM managers",
        "manager's public address": "SELECT hostname, public_ip FROM managers",
        "manager's networks": "SELECT hostname, networks->>'default' FROM managers",
        "queue": "SELECT name, host FROM rabbitmq_brokers",
        "queue's management": "SELECT name, management_host FROM rabbitmq_brokers",
        "queue's networks": "SELECT name, networks->>'default' FROM rabbitmq_brokers",
        "database": "SELECT name, host FROM db_nodes",
    }
    for kind, statement in known.items():
        told = sql(cluster, leader(cluster), statement).splitlines()
        assert sorted(line.split("|") for line in told) == having(kind.partition("'")[0]), kind


def let_archive(cluster: Cluster, primary: str) -> None:
    """Let the archive have all that was committed."""
    last = sql(cluster, primary, "SELECT pg_walfile_name(pg_switch_wal())").strip()
    archived = "SELECT last_archived_wal FROM pg_stat_archiver"
    wait_until(
        lambda: sql(cluster, primary, archived).strip() >= last, "the archive", timeout_s=120
    )
