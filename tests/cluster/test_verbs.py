"""The verbs of day two on a cluster of two managers that share one database and one broker."""

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import ROOT, TOOL, Cluster, tool, wait_until
from tests.support.killed import Event, events_of, finished, killed_run
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

INVENTORY = {
    "cluster": {"name": "pair"},
    "nodes": [
        {
            "name": "manager-1",
            "address": "10.77.0.11",
            "roles": ["database", "queue", "manager"],
        },
        {"name": "manager-2", "address": "10.77.0.12", "roles": ["manager"]},
    ],
    "waive": ["single-database", "single-queue", "queue-beside-database"],
    "settings": {"postgresql_server": {"config": {"shared_buffers": "256MB"}}},
}
SECRET = "/api/v3.1/secrets/kept"
STATUS = "/api/v3.1/status"
VALUE = "what must be readable all the while"
_PAUSE_S = 0.3  # nginx limits logins to ten a second


@pytest.fixture(scope="module")
def pair(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two managers, freshly installed. CFY_TEST_PAIR names a sandbox that has them already."""
    bundle = tool("bundle", "build", "--release", "trixie").splitlines()[-1]
    source = tmp_path_factory.mktemp("pair") / "inventory.yaml"
    source.write_text(yaml.safe_dump(INVENTORY))
    if name := os.environ.get("CFY_TEST_PAIR"):
        yield _installed(name, source, bundle)
        return
    with sandbox_of("pair", source) as made:
        yield _installed(made.name, source, bundle)


def _installed(name: str, source: Path, bundle: str) -> Cluster:
    found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
    cluster = Cluster(name, Path(found.strip()))
    cluster.install()
    return cluster


def ask(
    cluster: Cluster, node: str, path: str, *, password: str = "", body: Any = None
) -> tuple[int, Any]:
    """Return status and JSON of one request to a manager as the administrator."""
    word = password or cluster.secrets["admin_password"]
    login = base64.b64encode(f"admin:{word}".encode()).decode()
    headers = {
        "Authorization": f"Basic {login}",
        "Tenant": "default_tenant",
        "Content-Type": "application/json",
    }
    context = ssl.create_default_context(cafile=str(cluster.ca))
    with cluster.network():
        address = cluster.address(node)
        connection = http.client.HTTPSConnection(address, 443, context=context, timeout=30)
        try:
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "PUT", path, text, headers)
            reply = connection.getresponse()
            content = reply.read()
            is_json = reply.headers.get_content_type() == "application/json"
            return reply.status, json.loads(content) if is_json else None
        finally:
            connection.close()


@dataclass
class Reader:
    """What both managers answered to whoever reads a secret, round after round."""

    rounds: list[dict[str, str]] = field(default_factory=list)

    def wrong(self) -> list[str]:
        """Return answers that are neither the secret nor a manager that is just restarting."""
        restarting = {"502", "503", "ConnectionRefusedError", "RemoteDisconnected"}
        answers = [answer for found in self.rounds for answer in found.values()]
        return [answer for answer in answers if answer not in {VALUE, *restarting}]

    def unreadable(self) -> int:
        """Return how many rounds found no manager that could read it."""
        return sum(VALUE not in found.values() for found in self.rounds)


@contextmanager
def reading(cluster: Cluster) -> Iterator[Reader]:
    """Read the secret from both managers until the block ends."""
    reader, ended = Reader(), threading.Event()

    def read(node: str) -> str:
        try:
            status, found = ask(cluster, node, SECRET)
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return str(found["value"]) if status == 200 else str(status)

    def work() -> None:
        while not ended.is_set():
            reader.rounds.append({node: read(node) for node in cluster.having("manager")})
            time.sleep(_PAUSE_S)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield reader
    finally:
        ended.set()
        thread.join()


def test_a_new_password_opens_every_manager_and_the_old_one_none(pair: Cluster):
    old = pair.secrets["admin_password"]

    weak = pair.manage(
        *("cluster", "reset-admin-password", "-i", pair.inventory, "--password-stdin"),
        input="short\n",
        check=False,
    )
    assert (weak.returncode, pair.secrets["admin_password"]) == (3, old)
    told = pair.manage("cluster", "reset-admin-password", "-i", pair.inventory, "--generate")

    new = pair.secrets["admin_password"]
    assert new != old
    assert new not in told.stdout + told.stderr
    for node in pair.having("manager"):
        assert ask(pair, node, "/api/v3.1/status")[0] == 200
        assert ask(pair, node, "/api/v3.1/status", password=old)[0] == 401
        assert new in pair.sh(node, "cat /etc/cloudify/config.yaml")


def test_secrets_stay_readable_while_their_key_changes_and_is_killed_halfway(pair: Cluster):
    assert ask(pair, "manager-1", SECRET, body={"value": VALUE, "update_if_exists": True})[0] < 300
    old = pair.secrets["encryption_key"]
    words = ("cluster", "update-encryption-key", "-i", str(pair.inventory))

    with reading(pair) as reader:
        began = time.monotonic()
        process = subprocess.Popen(
            (*TOOL, "sandbox", "exec", pair.name, "--", *TOOL, *words),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(
            lambda: "previous_encryption_key" in pair.secrets,
            "every manager accepts the new key, and the two are swapped",
            timeout_s=240,
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        halfway = pair.secrets["encryption_key"]
        told = pair.manage(*words).stdout

    took_s = time.monotonic() - began
    sys.stderr.write(f"\nkey changed in {took_s:.0f} s, {len(reader.rounds)} rounds of reading\n")
    assert "The change that was begun is finished" in told
    assert pair.secrets["encryption_key"] == halfway != old
    assert [name for name in pair.secrets if name.endswith("_encryption_key")] == []
    assert reader.wrong() == []
    assert reader.unreadable() == 0
    assert len(reader.rounds) > 10
    for node in pair.having("manager"):
        assert ask(pair, node, SECRET)[1]["value"] == VALUE
        assert old not in pair.sh(node, "cat /opt/manager/manager.yaml /etc/cloudify/config.yaml")


def test_logs_of_all_nodes_come_without_any_secret(pair: Cluster, tmp_path: Path):
    needles = {**pair.secrets, **{str(p): _body(p) for p in pair.certificates.rglob("*.key")}}
    for name in ("rabbitmq_password", "secret_key"):
        pair.sh("manager-2", f"logger 'said by mistake: {pair.secrets[name]}'")
    archive = tmp_path / "logs.tar.gz"

    told = pair.manage(
        *("cluster", "logs", "fetch", "-i", pair.inventory, "--since", "1h", "-o", archive)
    ).stdout

    assert "secrets masked" in told
    assert archive.stat().st_mode & 0o777 == 0o600
    texts = _texts(archive)
    for node in pair.nodes:
        assert f"logs/{node}/journal.txt" in texts
    assert texts["logs/manager-2/journal.txt"].count("said by mistake: ********") == 2
    whole = "\n".join(texts.values())
    assert [name for name, value in needles.items() if value in whole] == []


def test_versions_are_told_of_every_node(pair: Cluster):
    told = pair.manage("cluster", "version", "-i", pair.inventory, "--json").stdout

    found = {(v["node"], v["program"]) for v in json.loads(told)["nodes"]}
    assert {("manager-1", "patroni"), ("manager-2", "runtime"), ("manager-2", "nginx")} <= found
    assert ("manager-2", "patroni") not in found


def _body(key: Path) -> str:
    """Return the line of a key's file that no other key shares: the first one is much the same."""
    return key.read_text().splitlines()[2]


def _texts(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as opened:
        files = [(member.name, opened.extractfile(member)) for member in opened]
        return {name: file.read().decode("utf-8", "replace") for name, file in files if file}


def test_a_blueprint_goes_its_way_through_each_manager_and_leaves_nothing(pair: Cluster):
    for node in pair.having("manager"):
        told = pair.manage("cluster", "sanity-check", "-i", pair.inventory, "--manager", node)
        assert f"{pair.address(node)} is sane" in told.stdout

    for kind in ("blueprints", "deployments"):
        assert ask(pair, "manager-1", f"/api/v3.1/{kind}")[1]["items"] == []


def test_a_manager_that_does_not_work_is_not_sane(pair: Cluster):
    pair.sh("manager-2", "systemctl stop cloudify-restservice")
    words = ("cluster", "sanity-check", "-i", pair.inventory, "--manager", "manager-2")

    done = pair.manage(*words, check=False)

    pair.sh("manager-2", "systemctl start cloudify-restservice")
    assert done.returncode == 7
    assert "Failed step: upload the blueprint" in done.stderr


def of_kind(kind: str, phase: str = "") -> Callable[[Event], bool]:
    """Return what knows the first event of a kind, in a phase that begins so."""
    return lambda event: event["kind"] == kind and event.get("phase", "").startswith(phase)


def running(cluster: Cluster, node: str, *units: str) -> list[str]:
    """Return which of these units run on a node."""
    script = f"systemctl is-active {' '.join(units)} || true"
    states = cluster.sh(node, script).split()
    return [unit for unit, state in zip(units, states, strict=True) if state == "active"]


SERVICES = {
    "manager-1": ("etcd", "patroni", "rabbitmq-server", "cloudify-restservice", "nginx"),
    "manager-2": ("cloudify-restservice", "cloudify-mgmtworker", "nginx"),
}


def test_a_whole_cluster_stops_and_starts_again_killed_in_the_middle_of_either(pair: Cluster):
    stop = ("cluster", "stop", "-i", pair.inventory, "--yes")
    start = ("cluster", "start", "-i", pair.inventory)

    unsure = pair.manage("cluster", "stop", "-i", pair.inventory, input="no\n", check=False)
    assert unsure.returncode == 8
    assert running(pair, "manager-2", *SERVICES["manager-2"]) == [*SERVICES["manager-2"]]

    killed_run(pair, stop, of_kind("phase-finished", "stop/manager"))
    stopped = events_of(pair.manage(*stop, "--json").stdout)
    assert set(finished(stopped, "stop/manager/services").values()) == {"unchanged"}
    for node, units in SERVICES.items():
        assert running(pair, node, *units) == []

    killed_run(pair, start, of_kind("phase-finished", "start/database/patroni"))
    pair.manage(*start)
    for node, units in SERVICES.items():
        assert running(pair, node, *units) == [*units]
        assert ask(pair, node, STATUS)[0] == 200


def test_a_restart_that_pauses_a_service_is_refused_unless_that_is_accepted(pair: Cluster):
    words = ("cluster", "restart", "-i", pair.inventory, "--only", "queue", "--only", "manager")
    before = pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server")

    refused = pair.manage(*words, check=False)
    assert refused.returncode == 8
    assert "restart-interrupts" in refused.stderr
    assert pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server") == before

    killed_run(pair, (*words, "--interrupt"), of_kind("phase-finished", "restart/queue"))
    resumed = events_of(pair.manage(*words, "--interrupt", "--json").stdout)
    assert finished(resumed, "restart/queue") == {"manager-1": "unchanged"}
    assert set(finished(resumed, "restart/manager")) == {"manager-1", "manager-2"}
    assert pair.sh("manager-1", "systemctl show -P MainPID rabbitmq-server") != before
    assert ask(pair, "manager-2", STATUS)[0] == 200


def test_a_nodes_own_services_stop_and_start_again_after_a_kill(pair: Cluster):
    node, units = "manager-2", SERVICES["manager-2"]

    wrong = pair.on(node, "cfy_manager", "stop", "queue_service", check=False)
    assert (wrong.returncode, "not installed here" in wrong.stderr) == (3, True)
    pair.on(node, "cfy_manager", "stop", "manager_service")
    assert running(pair, node, *units) == []
    again = pair.on(node, "cfy_manager", "stop").stdout
    assert "nginx.service did not run" in again

    pair.on(node, "timeout", "-s", "KILL", "3", "cfy_manager", "start", check=False)
    pair.on(node, "cfy_manager", "start", timeout_s=300)
    assert running(pair, node, *units) == [*units]
    assert ask(pair, node, STATUS)[0] == 200

    before = pair.sh(node, "systemctl show -P MainPID cloudify-restservice")
    pair.on(node, "cfy_manager", "restart", "manager_service", timeout_s=300)
    assert pair.sh(node, "systemctl show -P MainPID cloudify-restservice") != before
    assert ask(pair, node, STATUS)[0] == 200


def test_a_node_tells_its_versions_and_gives_its_logs_without_secrets(pair: Cluster):
    node, place = "manager-2", "/root/own-logs.tar.gz"

    told = json.loads(pair.on(node, "cfy_manager", "version", "--json").stdout)
    pair.on(node, "cfy_manager", "logs", "fetch", "--since", "1h", "-o", place)
    twice = pair.on(node, "cfy_manager", "logs", "fetch", "-o", place, check=False)
    text = pair.sh(node, f"tar -xOzf {place}; rm {place}", errors="replace")

    assert {"nginx", "runtime"} <= {version["program"] for version in told["nodes"]}
    assert twice.returncode == 2  # a file that exists is never replaced
    assert len(text) > 1000
    assert [name for name, value in pair.secrets.items() if value in text] == []


def test_an_administrators_password_changes_from_a_node_too(pair: Cluster):
    old, new = pair.secrets["admin_password"], "a-password-of-one-node-Zq9"
    words = ("cfy_manager", "reset-admin-password", "--password-stdin")

    weak = pair.on("manager-2", *words, input="short\n", check=False)
    assert weak.returncode == 3
    told = pair.on("manager-2", *words, input=f"{new}\n")
    try:
        assert new not in told.stdout + told.stderr
        assert ask(pair, "manager-1", STATUS, password=new)[0] == 200
        assert ask(pair, "manager-1", STATUS, password=old)[0] == 401
    finally:
        pair.on("manager-2", *words, input=f"{old}\n")
