"""No secret shows itself, and no node holds what another one needs."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cluster import ROOT

pytestmark = pytest.mark.cluster

SCAN = (ROOT / "tests" / "support" / "secret_scan.py").read_text()
ROOTS = ("/etc", "/opt", "/var", "/run", "/tmp", "/home", "/root", "/srv", "/usr/local", "/boot")
SKIPPED = ("/var/lib/cfy_manager/bundle",)  # 200 MB, made before there were secrets

# which secrets a node uses; whatever else it holds is too much
USED = {
    "database": {
        *("postgres_password", "replicator_password", "rewind_password"),
        *("etcd_cluster_token", "etcd_root_password", "etcd_patroni_password"),
        *("patroni_rest_password", "db_status_reporter"),
    },
    "queue": {"rabbitmq_password", "erlang_cookie", "broker_status_reporter"},
    "manager": {
        *("admin_password", "cloudify_password", "rabbitmq_password"),
        *("hash_salt", "secret_key", "encoding_alphabet", "encryption_key"),
        # managers make the reporters' users
        *("manager_status_reporter", "db_status_reporter", "broker_status_reporter"),
    },
    "loadbalancer": set(),  # a single one shares no address, hence no password
}


@pytest.fixture(scope="module")
def needles(cluster):
    """Return what to look for by its name: all passwords, tokens and private keys."""
    keys = {_key_name(cluster, key): _body(key) for key in cluster.certificates.rglob("*.key")}
    return {**cluster.secrets, **keys}


@pytest.fixture(scope="module")
def scans(cluster, needles):
    """Return what each host holds, from one look at it."""
    question = json.dumps({"needles": needles, "roots": ROOTS, "skipped": SKIPPED})

    program = f"{SCAN}\nmain({question!r})\n"

    def scan(node):
        return json.loads(cluster.on(node, "python3", "-I", "-", input=program).stdout)

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(cluster.nodes, pool.map(scan, cluster.nodes), strict=True))


def test_no_node_holds_a_secret_that_it_does_not_use(cluster, scans):
    held = {node: _names(scan["held"]) for node, scan in scans.items()}

    assert held == {node: _used(cluster, node) for node in cluster.nodes}


def test_no_secret_is_in_a_file_that_others_may_read(scans):
    open_files = {node: scan["open"] for node, scan in scans.items()}

    assert {node: paths for node, paths in open_files.items() if paths} == {}


def test_no_secret_is_in_a_log_file_of_a_host(scans):
    logs = {
        f"{node}:{path}": names
        for node, scan in scans.items()
        for path, names in scan["held"].items()
        if path.startswith("/var/log/") or path.endswith(".log")
    }

    assert logs == {}


def test_no_secret_is_in_a_journal(scans):
    told = {node: scan["journal"] for node, scan in scans.items()}

    assert min(scan["journal_bytes"] for scan in scans.values()) > 10_000
    assert {node: names for node, names in told.items() if names} == {}


def test_no_secret_is_in_the_records_of_the_runs(cluster, needles):
    folder = cluster.inventory.parent / f"{cluster.document['cluster']['name']}.runs"
    records = {path.name: path.read_text() for path in folder.iterdir()}
    assert any(text and name.endswith(".log") for name, text in records.items())
    assert records["journal.jsonl"]

    told = {name: _found(needles, text) for name, text in records.items()}
    assert {name: names for name, names in told.items() if names} == {}


def test_no_secret_was_on_a_command_line_during_the_rollout(rollout, needles):
    if not rollout.events:
        pytest.skip("CFY_TEST_CLUSTER names a cluster whose rollout nobody watched")
    assert any("dpkg" in line for line in rollout.command_lines)
    assert any("initdb" in line for line in rollout.command_lines)

    assert _found(needles, "\n".join(rollout.command_lines)) == []


def test_no_secret_is_on_a_command_line_of_what_runs(cluster, needles):
    lines = [_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert any("patroni" in line for line in lines)

    assert _found(needles, "\n".join(lines)) == []


def _key_name(cluster, key):
    return str(key.relative_to(cluster.certificates))


def _body(key):
    """Return the line of a key's file that no other key shares: the first one is much the same."""
    return key.read_text().splitlines()[2]


def _used(cluster, node):
    keys = (cluster.certificates / "nodes" / node).glob("*.key")
    passwords = itertools.chain(*(USED[role] for role in cluster.nodes[node]["roles"]))
    return {*passwords, *(_key_name(cluster, key) for key in keys)}


def _names(held):
    return set(itertools.chain(*held.values()))


def _found(needles, text):
    return [name for name, value in needles.items() if value in text]


def _command_line(path):
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:  # it has ended
        return ""
