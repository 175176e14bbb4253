"""Break one thing, install again, and see that one cause named with its remedy.

Several things are broken at once where nodes and services do not see each other's failure: every
run of the installer answers for all of them. Its phases are such that all begin at once, for after
a failure no further phase starts.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from installer.catalogue import entry
from tests.support.cluster import Cluster, tool, wait_until
from tests.support.sandbox import sandbox_of

pytestmark = pytest.mark.cluster

INVENTORY = """\
cluster:
  name: explain
ssh:
  user: root
nodes:
  - {name: node-1, address: 10.77.0.11, roles: [database, queue, manager]}
  - {name: node-2, address: 10.77.0.12, roles: [database, queue, loadbalancer]}
  - {name: node-3, address: 10.77.0.13, roles: [database, queue, loadbalancer]}
load_balancer:
  virtual_ip: 10.77.0.100
secrets: explain.secrets.yaml
certificates: certs/explain
settings:
  postgresql_server:
    config:
      shared_buffers: 256MB
"""
LISTENER = (
    "import socket, sys; s = socket.socket(); s.setsockopt(1, 2, 1);"
    "s.bind(('', int(sys.argv[1]))); s.listen(); kept = [s.accept() for _ in iter(int, 1)]"
)


@dataclass(frozen=True)
class Break:
    """One thing that is wrong on one node, and what is to be seen of it."""

    node: str
    phase: str  # its role
    code: str
    do: str
    undo: str
    evidence: str  # a part of the line that proves it


def stopped(unit: str, damage: str) -> str:
    return f"systemctl stop {unit}; {damage}; systemctl start --no-block {unit}"


def port(node: str, phase: str, unit: str, number: int) -> Break:
    """Another program holds the port of a unit."""
    listen = (
        f"systemd-run --quiet --unit=squatter-{number} python3 -c {json.dumps(LISTENER)} {number}"
    )
    ready = f"until ss -Hltn 'sport = :{number}' | grep -q .; do sleep 0.1; done"
    return Break(
        node,
        phase,
        "port-taken",
        stopped(unit, f"{listen}; {ready}"),
        f"systemctl stop squatter-{number} || true; systemctl reset-failed {unit} || true; "
        f"systemctl restart --no-block {unit}",
        f"port {number} is held by python3",
    )


def drop_in(node: str, unit: str, lines: str, code: str, evidence: str) -> Break:
    """A unit has a drop-in that takes from it what it needs."""
    folder = f"/run/systemd/system/{unit}.service.d"
    text = "[Service]\\n" + lines
    return Break(
        node,
        "database",
        code,
        f"mkdir -p {folder}; printf '{text}\\n' > {folder}/99-broken.conf; "
        f"systemctl daemon-reload; systemctl restart --no-block {unit}",
        f"rm {folder}/99-broken.conf; systemctl daemon-reload; systemctl restart --no-block {unit}",
        evidence,
    )


ETCD_DATA, SAVED = "/var/lib/etcd/data", "/root/saved"
RESTORE_ETCD = stopped("etcd", f"rm -rf {ETCD_DATA}; mv {SAVED} {ETCD_DATA}")
MNESIA = "/var/lib/rabbitmq/mnesia"
BROKER = "rabbitmq-server"
START_BROKER = f"systemctl reset-failed {BROKER} || true; systemctl restart --no-block {BROKER}"
PG = "/var/lib/postgresql/17"
STOP_PG = f"""\
systemctl stop patroni
su postgres -c '/usr/lib/postgresql/17/bin/pg_ctl -D {PG}/patroni stop -m fast' || true
"""
START_PATRONI = "systemctl start --no-block patroni"

SERVICES = (
    port("node-1", "database", "etcd", 2379),
    Break(
        "node-2",
        "database",
        "etcd-data-not-owned",
        stopped("etcd", f"chown -R root:root {ETCD_DATA}/member"),
        f"chown -R etcd:etcd {ETCD_DATA}; systemctl restart --no-block etcd",
        "permission denied",
    ),
    drop_in(
        "node-3",
        "etcd",
        "SystemCallErrorNumber=\\nSystemCallFilter=\\nSystemCallFilter=~epoll_create1",
        "blocked-system-call",
        "31",
    ),
    Break(
        "node-1",
        "queue",
        "rabbitmq-data-not-owned",
        stopped(BROKER, f"chown -R root:root {MNESIA}"),
        f"chown -R rabbitmq:rabbitmq {MNESIA}; {START_BROKER}",
        MNESIA,
    ),
    port("node-2", "queue", BROKER, 5671),
    Break(
        "node-3",
        "queue",
        "program-not-executable",
        stopped(BROKER, "chmod -x /usr/lib/rabbitmq/bin/rabbitmq-server"),
        f"chmod +x /usr/lib/rabbitmq/bin/rabbitmq-server; {START_BROKER}",
        "",
    ),
    port("node-2", "loadbalancer", "haproxy", 443),
    Break(
        "node-3",
        "loadbalancer",
        "missing-library",
        stopped(
            "haproxy",
            "f=$(readlink -f $(ldd /usr/sbin/haproxy | grep -o '/[^ ]*liblua[^ ]*'));mv $f $f.gone",
        ),
        "f=$(find /usr/lib -name 'liblua*.gone'); mv $f ${f%.gone}; "
        "systemctl reset-failed haproxy; systemctl restart --no-block haproxy",
        "liblua",
    ),
)
MEMBERS = (
    Break(
        "node-3",
        "database",
        "etcd-data-lost",
        stopped("etcd", f"mv {ETCD_DATA} {SAVED}"),
        RESTORE_ETCD,
        "has already been bootstrapped",
    ),
    port("node-1", "manager", "nginx", 443),
)
DATABASES = (
    Break(
        "node-1",
        "database",
        "postgresql-data-permissions",
        f"{STOP_PG}chmod 0755 {PG}/patroni; {START_PATRONI}",
        f"chmod 0700 {PG}/patroni; systemctl restart --no-block patroni",
        "invalid permissions",
    ),
    Break(
        "node-2",
        "database",
        "postgresql-wrong-system",
        f"{STOP_PG}mv {PG}/patroni {PG}/kept; "
        f"su postgres -c '/usr/lib/postgresql/17/bin/initdb -D {PG}/patroni'; {START_PATRONI}",
        f"systemctl stop patroni; rm -rf {PG}/patroni; mv {PG}/kept {PG}/patroni; {START_PATRONI}",
        "system ID mismatch",
    ),
    Break(
        "node-3",
        "database",
        "missing-library",
        f"{STOP_PG}f=$(readlink -f $(ldd /usr/lib/postgresql/17/bin/postgres"
        f" | grep -o '/[^ ]*libldap[^ ]*')); mv $f $f.gone; {START_PATRONI}",
        "f=$(find /usr/lib -name 'libldap*.gone'); mv $f ${f%.gone}; "
        "systemctl restart --no-block patroni",
        "psycopg2",
    ),
    Break(
        "node-1",
        "queue",
        "rabbitmq-disk-alarm",
        "rabbitmqctl -q set_disk_free_limit 900GB",
        "rabbitmqctl -q set_disk_free_limit 2GB",
        "disk",
    ),
    *(  # it blocks the publishers of every broker, and each one's gate says so
        Break(
            node, "queue", "rabbitmq-disk-alarm", "true", "true", "rabbit@node-1 has a disk alarm"
        )
        for node in ("node-2", "node-3")
    ),
)


@pytest.fixture(scope="module")
def cluster(machine: None, bundle: Path, tmp_path_factory) -> Iterator[Cluster]:
    """Three nodes with every role. CFY_TEST_EXPLAIN names a sandbox that has them already."""
    source = tmp_path_factory.mktemp("explain") / "inventory.yaml"
    source.write_text(INVENTORY)
    if name := os.environ.get("CFY_TEST_EXPLAIN"):
        found = tool("sandbox", "inventory", name, "-i", source, "--bundle", bundle)
        yield Cluster(name, Path(found.strip()))
        return
    with sandbox_of("explain", source) as made:
        found = tool("sandbox", "inventory", made.name, "-i", source, "--bundle", bundle)
        cluster = Cluster(made.name, Path(found.strip()))
        cluster.install()
        yield cluster


@contextmanager
def broken(cluster: Cluster, breaks: Sequence[Break]) -> Iterator[None]:
    """Break everything at once, and mend it whatever happens."""

    def on_all(script: Callable[[Break], str]) -> None:
        with ThreadPoolExecutor(len(breaks)) as pool:
            list(pool.map(lambda one: cluster.sh(one.node, script(one)), breaks))

    try:
        on_all(lambda one: one.do)
        if any("disk_free_limit" in one.do for one in breaks):
            wait_until(lambda: "disk alarm" in brokers(cluster), "the alarm is shown", timeout_s=30)
        yield
    finally:
        on_all(lambda one: one.undo)


def brokers(cluster: Cluster) -> str:
    """Return what the brokers say of themselves; they gather it every five seconds."""
    return cluster.manage("brokers", "list", "-i", cluster.inventory, check=False).stdout


def problems_of(cluster: Cluster, phases: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Install these phases and return (node, role) → what is told of its failure.

    Preflight would refuse some of it before anything is tried: that is waived.
    """
    waived = ("--waive", "port-held")
    words = [*waived, *(word for phase in phases for word in ("--only", phase))]
    done = cluster.manage(
        "cluster", "install", "-i", cluster.inventory, "--json", *words, check=False
    )
    assert done.returncode == 6, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        (event["node"], event["phase"].partition("/")[0]): problem
        for event in events
        if event["kind"] == "node-finished"
        for problem in event.get("problems", ())
    }


@pytest.mark.parametrize(
    ("breaks", "phases"),
    [
        pytest.param(MEMBERS, ("database/etcd", "manager/services"), id="members"),
        pytest.param(DATABASES, ("database/patroni", "queue/broker"), id="databases"),
        pytest.param(
            SERVICES, ("database/etcd", "queue/broker", "loadbalancer/haproxy"), id="services"
        ),
    ],
)
def test_each_broken_thing_is_named_with_its_remedy(cluster, breaks, phases):
    with broken(cluster, breaks):
        found = problems_of(cluster, phases)

    told = {place: problem.get("code") for place, problem in found.items()}
    assert {(one.node, one.phase): one.code for one in breaks} == told
    for one in breaks:
        problem = found[one.node, one.phase]
        details = "\n".join(problem["details"])
        assert entry(one.code).next[0] in problem["remedy"]
        assert problem["what"].startswith("given up after"), "waiting cannot cure it"
        assert "evidence  " in details
        assert one.evidence in details
        assert "the journal of" not in details
