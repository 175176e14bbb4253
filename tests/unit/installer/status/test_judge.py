"""One thing is broken at a time; the verdict, the code and the place say which."""

from dataclasses import replace
from datetime import timedelta

import pytest

from installer.catalogue import entry
from installer.status.facts import Answer, Disk, UnitFact
from installer.status.judge import judge
from installer.status.model import Part, State, Verdict
from installer.status.request import (
    BROKERS,
    ETCD,
    HAPROXY,
    MAINTENANCE,
    PATRONI,
    REST,
    SQL,
    SYNC,
    SYNC_PEERS,
)
from tests.unit.installer.status.world import (
    DATABASES,
    GIB,
    MANAGERS,
    NOW,
    QUEUES,
    brokers,
    haproxy,
    healthy,
    inventory,
    patroni,
    peers,
    said,
    sql,
    with_answer,
    with_node,
    without,
)

GONE = Answer(fault="it refuses connections")
ALARM = said({"health": "false", "reason": "ALARM NOSPACE"}, 503)
LEADERLESS = said({"health": "false", "reason": "RAFT NO LEADER"}, 503)
ALONE = [{"name": "db-2", "state": "streaming", "sync": "async", "lag": 0}]
FAILED = UnitFact(active="failed", sub="failed", result="exit-code")
FULL = Disk(size=10 * GIB, free=GIB // 4, inodes=1000, free_inodes=900)
NO_INODES = Disk(size=10 * GIB, free=8 * GIB, inodes=1000, free_inodes=100)


def answer(name, value, *nodes):
    return lambda facts: with_answer(facts, name, value, *nodes)


def node(name, **changes):
    return lambda facts: with_node(facts, name, **changes)


def gone(*names):
    return lambda facts: without(facts, *names)


CASES = [
    # where, code, the cluster's verdict, what is broken
    ("database", "commits-hang", "down", answer(SQL, sql(replicas=ALONE), *DATABASES)),
    ("database", "no-synchronous-replica", "degraded", answer(SQL, sql(names=""), "db-1")),
    ("database", "patroni-paused", "degraded", answer(PATRONI, patroni(pause=True), *DATABASES)),
    (
        *("database", "database-without-primary", "down"),
        answer(PATRONI, patroni(db_1={"role": "replica"}), *DATABASES),
    ),
    (
        *("database", "database-without-primary", "down"),
        answer(PATRONI, patroni(db_1={"state": "crashed"}), *DATABASES),
    ),
    ("db-2", "patroni-silent", "degraded", answer(PATRONI, GONE, "db-2")),
    (
        *("db-2", "database-member-not-running", "degraded"),
        answer(PATRONI, patroni(db_2={"state": "start failed"}), *DATABASES),
    ),
    ("db-3", "database-refuses", "degraded", answer(SQL, GONE, "db-3")),
    (
        *("db-2", "replica-lags", "degraded"),
        answer(SQL, sql(replicas=[{**ALONE[0], "sync": "sync", "lag": GIB}]), "db-1"),
    ),
    ("db-3", "etcd-space-alarm", "degraded", answer(ETCD, ALARM, "db-3")),
    ("db-3", "etcd-member-unhealthy", "degraded", answer(ETCD, GONE, "db-3")),
    ("etcd", "etcd-without-quorum", "degraded", answer(ETCD, LEADERLESS, *DATABASES)),
    (
        *("queue-2", "broker-alarm", "down"),
        answer(BROKERS, brokers(queue_2={"mem_alarm": True}), *QUEUES),
    ),
    (
        *("queue-2", "broker-alarm", "down"),
        answer(BROKERS, brokers(queue_2={"disk_free_alarm": True}), *QUEUES),
    ),
    (
        *("queue-3", "broker-not-running", "degraded"),
        answer(BROKERS, brokers(queue_3={"running": False}), *QUEUES),
    ),
    (
        *("queue", "brokers-without-majority", "down"),
        answer(
            BROKERS,
            brokers(queue_2={"running": False}, queue_3={"running": False}),
            *QUEUES,
        ),
    ),
    (
        *("queue-1", "brokers-parted", "degraded"),
        answer(BROKERS, brokers(queue_1={"partitions": ["rabbit@queue-2"]}), "queue-1"),
    ),
    (
        *("queue-1", "broker-in-maintenance", "degraded"),
        answer(BROKERS, brokers(queue_1={"being_drained": True}), "queue-1"),
    ),
    ("queue-1", "broker-silent", "degraded", answer(BROKERS, Answer(status=401), "queue-1")),
    ("manager-1", "manager-not-ok", "degraded", answer(REST, Answer(status=500), "manager-1")),
    ("manager", "no-manager-works", "down", answer(REST, GONE, *MANAGERS)),
    (
        *("manager", "maintenance-mode", "degraded"),
        answer(MAINTENANCE, Answer(text="activated"), "db-1"),
    ),
    (
        *("manager-2", "files-not-replicated", "degraded"),
        answer(SYNC, said({"needBytes": 4096}), "manager-2"),
    ),
    ("manager-2", "files-not-replicated", "degraded", answer(SYNC_PEERS, peers(1), "manager-2")),
    ("manager-2", "files-not-replicated", "degraded", answer(SYNC, GONE, "manager-2")),
    ("lb-1", "balancer-silent", "down", answer(HAPROXY, GONE, "lb-1")),
    (
        *("lb-1", "manager-not-behind-balancer", "degraded"),
        answer(HAPROXY, haproxy(manager_2="DOWN"), "lb-1"),
    ),
    (
        *("loadbalancer", "no-way-in", "down"),
        answer(HAPROXY, haproxy(manager_1="DOWN", manager_2="DOWN", manager_3="DOWN"), "lb-1"),
    ),
    ("db-2", "node-unreachable", "degraded", gone("db-2")),
    ("queue", "service-not-seen", "degraded", gone(*QUEUES)),
    ("db-1", "nothing-installed", "degraded", node("db-1", is_installed=False)),
    (
        *("db-2", "unit-not-running", "degraded"),
        node("db-2", units={"patroni.service": FAILED}),
    ),
    ("queue-1", "disk-nearly-full", "degraded", node("queue-1", disks={"/": FULL})),
    ("queue-1", "disk-nearly-full", "degraded", node("queue-1", disks={"/var": NO_INODES})),
    ("lb-1", "clock-offset", "degraded", node("lb-1", clock_offset_s=-3.0)),
    (
        *("db-1", "certificate-ends-soon", "healthy"),
        node("db-1", certificates={"/x/node.crt": NOW + timedelta(days=20)}),
    ),
    (
        *("db-1", "certificate-ends-soon", "degraded"),
        node("db-1", certificates={"/x/node.crt": NOW + timedelta(days=3)}),
    ),
    (
        *("db-1", "certificate-expired", "degraded"),
        node("db-1", certificates={"/x/node.crt": NOW - timedelta(days=3)}),
    ),
    (
        *("manager-3", "files-changed-by-hand", "healthy"),
        node("manager-3", changed=("/etc/nginx/nginx.conf",)),
    ),
    ("manager-3", "files-changed-by-hand", "healthy", node("manager-3", removed=("/etc/x",))),
    ("cluster", "versions-differ", "healthy", node("manager-3", own_version="2.0")),
    ("cluster", "ca-rollover-unfinished", "healthy", lambda f: replace(f, is_ca_changing=True)),
]


def test_a_whole_cluster_is_healthy_and_nothing_is_told():
    status = judge(healthy())

    assert status.verdict is Verdict.HEALTHY
    assert status.findings == ()
    assert {node.state for node in status.nodes.values()} == {State.OK}


@pytest.mark.parametrize(("where", "code", "verdict", "broken"), CASES)
def test_what_is_broken_is_named(where, code, verdict, broken):
    status = judge(broken(healthy()))

    found = {(finding.where, finding.code) for finding in status.findings}
    assert (where, code) in found
    assert status.verdict == verdict
    assert entry(code).next


def test_every_exit_code_is_that_of_its_verdict():
    assert [verdict.exit_code for verdict in Verdict] == [0, 1, 2]


def test_commits_that_wait_are_counted_with_the_longest_time():
    hung = sql(replicas=[], waiting=4, waiting_s=130.2)

    (reason,) = judge(with_answer(healthy(), SQL, hung, "db-1")).reasons

    assert "the synchronous replica db-2" in reason.what
    assert "4 wait, the longest 2 min" in reason.what


def test_nothing_known_is_one_reason_not_a_list_of_guesses():
    """Of a cluster that this machine does not reach nobody can say what works."""
    facts = healthy()

    status = judge(without(facts, *facts.nodes))

    assert status.verdict is Verdict.DOWN
    assert {finding.code for finding in status.findings} == {"no-node-answers", "node-unreachable"}


def test_a_primary_that_cannot_be_asked_counts_as_long_as_managers_work():
    alone = without(healthy(), "db-1")

    assert judge(alone).verdict is Verdict.DEGRADED
    assert judge(with_answer(alone, REST, Answer(status=500), *MANAGERS)).verdict is Verdict.DOWN


def test_brokers_that_cannot_be_asked_run_if_another_one_says_so():
    assert judge(without(healthy(), "queue-1", "queue-2")).verdict is Verdict.DEGRADED


def test_one_healthy_member_of_etcd_proves_its_quorum():
    """The others may only be unreachable from this machine."""
    codes = {finding.code for finding in judge(without(healthy(), "db-2", "db-3")).findings}

    assert codes == {"node-unreachable"}


def test_a_late_node_is_unknown_rather_than_down():
    facts = without(healthy(), "lb-1")
    late = replace(facts.silent["lb-1"], what="it cannot be asked: no answer within 10 s")

    status = judge(replace(facts, silent={"lb-1": late}))

    assert status.nodes["lb-1"].state is State.UNKNOWN


def test_parts_and_lag_are_those_that_the_primary_sees():
    nodes = judge(healthy()).nodes

    services = [nodes[name].services["database"] for name in DATABASES]
    assert [service.part for service in services] == [
        Part.LEADER,
        Part.SYNCHRONOUS,
        Part.REPLICA,
    ]
    assert [service.lag_bytes for service in services] == [None, 0, 2048]


@pytest.mark.parametrize(
    ("holders", "code"),
    [
        ((), "virtual-ip-on-nobody"),
        (("lb-1",), None),
        (("lb-1", "lb-2"), "virtual-ip-on-two"),
    ],
)
def test_the_virtual_address_is_on_exactly_one_node(holders, code):
    ten = inventory()
    balancer = ten.with_role("loadbalancer")[0]
    two = replace(
        ten,
        nodes=(*ten.nodes, replace(balancer, name="lb-2", address="10.77.0.21")),
        load_balancer=replace(ten.load_balancer, virtual_ip="10.77.0.100"),
    )
    facts = healthy(two)
    for name in ("lb-1", "lb-2"):
        facts = with_node(facts, name, holds_virtual_ip=name in holders)

    codes = {finding.code for finding in judge(facts).findings}

    assert codes == ({code} if code else set())


def test_a_stopped_patroni_with_an_external_database_is_nobodys_business():
    external = inventory("external-database")

    assert judge(healthy(external)).verdict is Verdict.HEALTHY
