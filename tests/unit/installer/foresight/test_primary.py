"""Which database may lead in place of the primary, and which may be copied anew."""

from dataclasses import replace

import pytest

from installer.foresight.primary import MOST_LAG_BYTES, copy_problems, switchover_problems
from installer.foresight.stopping import whole
from installer.foresight.survival import Layout
from installer.status.model import Part
from installer.status.presence import DatabaseMember, Presence

THREE = Layout(databases=("db-1", "db-2", "db-3"))
WHOLE = whole(THREE, Presence())  # db-1 leads, db-2 is synchronous


def changed(**members):
    """Return the whole cluster with other members: db_3=… is db-3."""
    named = {name.replace("_", "-"): member for name, member in members.items()}
    return replace(WHOLE, databases={**WHOLE.databases, **named})


def codes(problems):
    return [problem.code for problem in problems]


def test_the_synchronous_replica_may_lead():
    assert codes(switchover_problems(THREE, WHOLE, "db-2")) == []


@pytest.mark.parametrize(
    ("presence", "node", "expected"),
    [
        (WHOLE, "db-1", ["already-primary"]),
        (WHOLE, "db-3", ["replica-not-synchronous"]),
        (replace(WHOLE, is_paused=True), "db-2", ["patroni-paused"]),
        (changed(db_2=DatabaseMember(etcd=True)), "db-2", ["replica-not-following"]),
        (changed(db_1=DatabaseMember(etcd=True)), "db-2", ["database-without-primary"]),
    ],
)
def test_whoever_may_lack_commits_does_not_lead(presence, node, expected):
    assert codes(switchover_problems(THREE, presence, node)) == expected


def test_a_replica_that_lags_would_make_writers_wait():
    lag = MOST_LAG_BYTES + 1
    late = replace(WHOLE.databases["db-2"], lag_bytes=lag)

    assert codes(switchover_problems(THREE, changed(db_2=late), "db-2")) == ["replica-lags"]


def test_any_replica_that_follows_may_lead_where_none_is_synchronous():
    layout = replace(THREE, synchronous_mode="off")

    assert codes(switchover_problems(layout, WHOLE, "db-3")) == []


def test_all_that_speaks_against_it_is_told_at_once():
    late = DatabaseMember(etcd=True, follows=True, part=Part.REPLICA, lag_bytes=9 << 20)
    presence = replace(changed(db_3=late), is_paused=True)

    told = codes(switchover_problems(THREE, presence, "db-3"))

    assert told == ["patroni-paused", "replica-not-synchronous", "replica-lags"]


GONE = changed(db_3=DatabaseMember(etcd=True))


@pytest.mark.parametrize(
    ("presence", "node", "expected"),
    [
        (WHOLE, "db-2", []),
        (WHOLE, "db-1", ["copy-of-primary"]),
        (GONE, "db-2", ["copy-of-last-replica"]),
        (GONE, "db-3", []),  # it has nothing that anybody could take over
    ],
)
def test_neither_the_primary_nor_the_last_replica_is_copied_anew(presence, node, expected):
    assert codes(copy_problems(THREE, presence, node)) == expected


@pytest.mark.parametrize(("mode", "expected"), [("on", []), ("strict", ["copy-of-last-replica"])])
def test_force_accepts_the_risk_but_not_commits_that_hang(mode, expected):
    layout = replace(THREE, synchronous_mode=mode)

    assert codes(copy_problems(layout, GONE, "db-2", force=True)) == expected
