"""A cluster of one host for each role: looked into, given a network, taken away traceless.

The tests stand in the order of its life.
"""

import base64
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.by_hand import Host
from tests.support.cluster import Cluster, tool
from tests.support.killed import killed_when
from tests.support.sandbox import Sandbox, sandbox_of
from tests.support.secret_scan import Needles, walk

pytestmark = pytest.mark.cluster

INVENTORY: dict[str, Any] = {
    "cluster": {"name": "life"},
    "nodes": [
        {"name": "db-1", "address": "10.77.0.11", "roles": ["database"]},
        {"name": "queue-1", "address": "10.77.0.12", "roles": ["queue"]},
        {"name": "manager-1", "address": "10.77.0.13", "roles": ["manager"]},
        {"name": "lb-1", "address": "10.77.0.14", "roles": ["loadbalancer"]},
    ],
    "waive": ["single-database", "single-queue", "single-manager", "single-load-balancer"],
    "settings": {"postgresql_server": {"config": {"shared_buffers": "256MB"}}},
}
# what packages' own tools and the system write for themselves; nothing of it is ours
NOT_OURS = (
    *("/var/log", "/root", "/var/lib/systemd", "/var/lib/dpkg", "/var/lib/apt", "/var/cache"),
    *("/etc/passwd-", "/etc/group-", "/etc/shadow", "/etc/gshadow", "/etc/machine-id"),
    *("/etc/default/locale", "/var/lib/ucf"),
)
EDGE = {"queue-1": "10.78.0.12", "manager-1": "10.78.0.13"}


@dataclass(frozen=True)
class Life:
    """The cluster, its sandbox, and what its hosts were before."""

    cluster: Cluster
    sandbox: Sandbox
    before: dict[str, set[str]]

    def snapshot(self, node: str) -> set[str]:
        return Host(self.sandbox, node).snapshot(NOT_OURS)

    def words(self, *words: str) -> tuple[str, ...]:
        return ("cluster", words[0], "-i", str(self.cluster.inventory), *words[1:])

    def manage(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.cluster.manage(*self.words(*words), **options)

    def needles(self) -> dict[str, str]:
        """Return every password, token and private key of the cluster by its name."""
        keys = self.cluster.certificates.rglob("*.key")
        # the first line of a key is much the same in all of them
        return {**self.cluster.secrets, **{str(p): p.read_text().splitlines()[2] for p in keys}}


@pytest.fixture(scope="module")
def life(machine: None, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Four hosts, freshly installed. CFY_TEST_LIFE names a sandbox of bare hosts for them."""
    source = tmp_path_factory.mktemp("life") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    if name := os.environ.get("CFY_TEST_LIFE"):
        from installer.sandbox.inventory import plan_of_inventory

        yield _installed(Sandbox(name, plan_of_inventory(source)), source, bundle)
        return
    with sandbox_of("life", source) as sandbox:
        yield _installed(sandbox, source, bundle)


def _installed(sandbox: Sandbox, source: Path, bundle: Path) -> Life:
    before = {host: Host(sandbox, host).snapshot(NOT_OURS) for host in sandbox.hosts}
    found = tool("sandbox", "inventory", sandbox.name, "-i", source, "--bundle", bundle)
    cluster = Cluster(sandbox.name, Path(found.strip()))
    cluster.install()
    return Life(cluster, sandbox, before)


def unpacked(archive: Path, folder: Path) -> dict[str, str]:
    """Unpack an archive and return its texts, by their names below its folder."""
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    return {
        str(path.relative_to(folder / archive.name.removesuffix(".tar.gz"))): path.read_text(
            errors="replace"
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def secrets_in(life: Life, folder: Path) -> dict[str, list[str]]:
    paths = [path for path, _ in walk(str(folder), (), is_open=True)]
    return Needles(life.needles()).in_files(paths)


def test_a_support_bundle_has_what_every_service_says_and_no_secret(life: Life, tmp_path: Path):
    life.cluster.sh("queue-1", f"logger 'by mistake: {life.cluster.secrets['erlang_cookie']}'")
    archive = tmp_path / "support.tar.gz"

    told = life.manage("support-bundle", "--timeout", "600", "-o", str(archive))

    sys.stderr.write(f"\n{told.stdout}")
    texts = unpacked(archive, tmp_path / "all")
    assert archive.stat().st_mode & 0o777 == 0o600
    assert secrets_in(life, tmp_path / "all") == {}
    assert "by mistake: ********" in texts["queue-1/logs/journal.txt"]
    assert texts["status.txt"].startswith("life: ")
    assert set(json.loads(texts["plan-and-drift.json"])) == set(life.cluster.nodes)
    for name, word in {
        "db-1/answers/patroni.txt": "Leader",
        "db-1/answers/etcd.txt": '"health":"true"',
        "db-1/answers/postgresql.txt": "pg_is_in_recovery",
        "db-1/answers/postgresql-application.txt": "version_num",
        "queue-1/answers/rabbitmq-cluster.txt": "Running Nodes",
        "queue-1/files/etc/rabbitmq/definitions.json": '"password_hash": "********"',
        "manager-1/answers/nginx.txt": "syntax is ok",
        "manager-1/files/opt/manager/manager.yaml": "password: ********",
        "lb-1/answers/haproxy-state.txt": "show servers state",
        "lb-1/answers/certificates.txt": "notAfter",
        "controller/certificates.txt": "nodes/lb-1/node.crt: until",
    }.items():
        assert word in texts[name], name
    assert [name for name in texts if name.endswith((".key", "key.pem"))] == []


def test_a_node_tells_the_same_of_itself(life: Life, tmp_path: Path):
    life.cluster.on("manager-1", "cfy_manager", "support-bundle", "-o", "/root/s.tar.gz")

    script = "base64 -w 0 /root/s.tar.gz; rm /root/s.tar.gz"
    archive = tmp_path / "s.tar.gz"
    archive.write_bytes(base64.b64decode(life.cluster.sh("manager-1", script)))
    texts = unpacked(archive, tmp_path / "all")
    assert "syntax is ok" in texts["manager-1/answers/nginx.txt"]
    assert secrets_in(life, tmp_path / "all") == {}


def test_a_manager_of_a_cluster_leaves_the_common_key_alone(life: Life):
    done = life.cluster.on("manager-1", "cfy_manager", "update-encryption-key", check=False)

    assert done.returncode == 8
    assert "cluster update-encryption-key" in done.stderr


def test_a_manager_is_sane_by_its_own_word(life: Life):
    told = life.cluster.on("manager-1", "cfy_manager", "sanity-check", timeout_s=300).stdout

    assert "is sane" in told


WISHES = tuple(f"edge/{node}={address}" for node, address in EDGE.items())


def test_a_network_that_a_host_does_not_have_is_refused(life: Life):
    before = life.cluster.inventory.read_text()

    done = life.manage("add-networks", *WISHES, check=False)

    assert done.returncode == 8
    assert "it does not have the address 10.78.0.13" in done.stderr
    assert life.cluster.inventory.read_text() == before


def test_a_network_reaches_certificates_services_and_tables_also_after_a_kill(life: Life):
    for node, address in EDGE.items():
        life.cluster.sh(node, f"ip address add {address}/24 dev host0")

    killed_when(
        life.cluster,
        life.words("add-networks", *WISHES),
        "the inventory has the network",
        lambda: "edge" in life.cluster.inventory.read_text(),
    )
    told = life.manage("add-networks", *WISHES).stdout

    assert "has them already" in told
    for node, address, port in (
        *(("manager-1", EDGE["manager-1"], port) for port in (443, 53333)),
        ("queue-1", EDGE["queue-1"], 5671),
    ):
        script = f"openssl s_client -connect {address}:{port} -verify_ip {address} \\\n"
        script += "-verify_return_error -CAfile /etc/cloudify/ssl/ca.crt </dev/null"
        assert "Verify return code: 0 (ok)" in life.cluster.sh(node, script)
    life.cluster.log_in()
    listed = {
        kind: json.loads(life.cluster.cfy("cluster", kind, "list", "--json").stdout)
        for kind in ("managers", "brokers")
    }
    (manager,), (broker,) = listed["managers"], listed["brokers"]
    assert manager["networks"]["edge"] == EDGE["manager-1"]
    assert broker["networks"]["edge"] == EDGE["queue-1"]


def test_while_a_host_is_away_the_others_can_be_looked_into_but_nothing_is_removed(
    life: Life, tmp_path: Path
):
    archive = tmp_path / "support.tar.gz"
    life.cluster.sh("lb-1", "systemctl stop ssh")

    partial = life.manage("support-bundle", "--since", "1m", "-o", str(archive), check=False)
    refused = life.manage("remove", "--yes", "--abandon-deployments", check=False)

    life.cluster.sh("lb-1", "systemctl start ssh")
    assert (partial.returncode, refused.returncode) == (5, 5)
    assert "lb-1" in refused.stderr
    texts = unpacked(archive, tmp_path / "all")
    assert "lb-1" in texts["README.txt"]
    assert "db-1/answers/patroni.txt" in texts
    assert not [name for name in texts if name.startswith("lb-1/")]
    life.cluster.sh("db-1", "systemctl is-active patroni etcd")


def test_nobody_removes_a_cluster_by_a_wrong_word(life: Life):
    done = life.manage("remove", input="live\n", check=False)

    assert done.returncode == 8
    life.cluster.sh("manager-1", "systemctl is-active nginx cloudify-restservice")


def test_a_removal_that_was_killed_is_finished_by_the_next_and_nothing_is_left(life: Life):
    began = time.monotonic()
    killed_when(
        life.cluster,
        life.words("remove", "--yes"),
        "the first packages are gone",
        lambda: "gone" in life.cluster.sh("lb-1", "command -v haproxy || echo gone"),
    )

    life.cluster.sh("lb-1", "systemctl stop ssh")
    partly = life.manage("remove", "--yes", "--without-unreachable", check=False)
    life.cluster.sh("lb-1", "systemctl start ssh")
    told = life.manage("remove", "--yes").stdout
    again = life.manage("remove", "--yes").stdout

    sys.stderr.write(f"\nremoved in {time.monotonic() - began:.0f} s, with a kill and thrice\n")
    assert (partly.returncode, "lb-1: cannot log in" in partly.stderr) == (5, True)
    assert "Removed  " in told
    assert "nothing of ours was there" in again
    for node, before in life.before.items():
        assert sorted(before ^ life.snapshot(node)) == [], node
        gone = (
            "ls -d /etc/cloudify /opt/cfy_manager /var/lib/cfy_manager /usr/local/bin/cfy_manager"
        )
        assert life.cluster.sh(node, f"{gone} 2>/dev/null || true") == ""
    assert life.cluster.secrets["admin_password"]
