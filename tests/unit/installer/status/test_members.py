"""The rows and verdicts of `dbs list` and `brokers list`."""

import pytest

from installer.status.facts import Answer
from installer.status.members import (
    AskedDatabase,
    broker_rows,
    broker_verdict,
    database_rows,
    database_verdict,
)
from tests.unit.installer.status.world import DATABASES, QUEUES, brokers, patroni, said

WELL = said({"health": "true"})
GONE = Answer(fault="it refuses connections")


def asked(view=None, **gone):
    return [
        AskedDatabase(
            name=name,
            address=f"10.0.0.{number}",
            patroni=GONE if name in gone.get("patroni", ()) else view or patroni(),
            etcd=GONE if name in gone.get("etcd", ()) else WELL,
        )
        for number, name in enumerate(DATABASES, start=1)
    ]


def test_states_have_the_words_of_cloudify():
    rows = database_rows(asked())

    assert [row.state for row in rows] == ["leader", "sync_replica", "async_replica"]
    assert database_verdict(rows) == "healthy"


@pytest.mark.parametrize(
    ("gone", "verdict"),
    [
        ({"patroni": ["db-3"]}, "degraded"),
        ({"etcd": ["db-3"]}, "degraded"),
        ({"patroni": ["db-1"]}, "down"),
        ({"patroni": DATABASES}, "down"),
    ],
)
def test_databases_without_a_leader_are_down_and_without_a_member_degraded(gone, verdict):
    rows = database_rows(asked(**gone))

    assert database_verdict(rows) == verdict
    for name in gone.get("patroni", ()):
        row = next(row for row in rows if row.name == name)
        assert (row.state, row.alive) == ("dead", False)
        assert "it refuses connections" in row.errors


def test_a_member_that_does_not_follow_is_dead_with_its_state():
    view = patroni(db_2={"state": "start failed"})

    row = database_rows(asked(view))[1]

    assert (row.state, row.errors) == ("dead", "PostgreSQL is start failed")


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "healthy"),
        ({"queue_3": {"running": False}}, "degraded"),
        ({"queue_2": {"running": False}, "queue_3": {"running": False}}, "down"),
        ({"queue_2": {"mem_alarm": True}}, "down"),
        ({"queue_2": {"partitions": ["rabbit@queue-1"]}}, "degraded"),
    ],
)
def test_brokers_are_judged_by_majority_and_alarms(changes, verdict):
    rows = broker_rows(QUEUES, [GONE, brokers(**changes)])

    assert broker_verdict(rows) == verdict


def test_brokers_that_nobody_tells_of_are_down_with_the_reason():
    rows = broker_rows(QUEUES, [GONE])

    assert broker_verdict(rows) == "down"
    assert {row.errors for row in rows} == {"it refuses connections"}


def test_a_broker_outside_of_the_cluster_is_told():
    (*_, row) = broker_rows((*QUEUES, "queue-4"), [brokers()])
    named = {r.broker_name: r for r in broker_rows((*QUEUES, "queue-4"), [brokers()])}

    assert named["rabbit@queue-4"].errors == "it is no member of the cluster"
    assert row.broker_name == "rabbit@queue-4"
