"""The rules of quorum, held to an enumeration of every way in which leaders may be placed."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.foresight.survival import (
    MOST_QUEUE_REPLICAS,
    Layout,
    Leaders,
    Outcome,
    Part,
    database_fate,
    fates,
    queue_fate,
    worst,
)
from installer.roles.queue import settings as queue_role

TEN = Layout(
    databases=("db-1", "db-2", "db-3"),
    queues=("queue-1", "queue-2", "queue-3"),
    managers=("manager-1", "manager-2", "manager-3"),
    balancers=("lb-1",),
)
FIVE = Layout(databases=tuple("abcde"), queues=tuple("vwxyz"), managers=("m",))


def outcomes(layout, *lost, leaders=None):
    return {fate.part: fate.outcome for fate in fates(layout, set(lost), leaders)}


def reason(layout, part, *lost):
    (found,) = [fate.reason for fate in fates(layout, set(lost)) if fate.part is part]
    return found


def named(prefix, count):
    return tuple(f"{prefix}{number}" for number in range(count))


layouts = st.builds(
    lambda d, q, m, b, mode: Layout(
        databases=named("d", d),
        queues=named("q", q),
        managers=named("m", m),
        balancers=named("b", b),
        synchronous_mode=mode,
    ),
    st.integers(0, 7),
    st.integers(0, 7),
    st.integers(1, 4),
    st.integers(0, 2),
    st.sampled_from(["on", "strict", "off"]),
)


def nodes_of(layout):
    return [*layout.databases, *layout.queues, *layout.managers, *layout.balancers]


@settings(deadline=None)
@given(layouts, st.data())
def test_losing_more_never_helps(layout, data):
    more = data.draw(st.sets(st.sampled_from(nodes_of(layout))))
    fewer = data.draw(st.sets(st.sampled_from(sorted(more)))) if more else set()

    for before, after in zip(fates(layout, fewer), fates(layout, more), strict=True):
        assert before.outcome.gravity <= after.outcome.gravity, before.part


@settings(deadline=None)
@given(layouts, st.data())
def test_the_database_does_what_every_placement_of_its_leaders_says(layout, data):
    lost = data.draw(st.sets(st.sampled_from(nodes_of(layout)))) & {*layout.databases}
    alive = {*layout.databases} - lost

    outcome = database_fate(layout, lost, Leaders()).outcome

    if not lost:
        assert outcome is Outcome.WHOLE
        return
    writes = {_takes_writes(layout, alive, *pair) for pair in _placements(layout)}
    assert _as_told(outcome) == writes
    assert (outcome is Outcome.DOWN) == (not alive)


def _placements(layout):
    if not layout.has_synchronous_replica:
        return [(primary, None) for primary in layout.databases]
    return itertools.permutations(layout.databases, 2)


def _takes_writes(layout, alive, primary, synchronous):
    if len(alive) * 2 <= len(layout.databases):
        return False
    if primary in alive:
        return layout.synchronous_mode != "strict" or len(alive) > 1
    return synchronous in alive if synchronous else bool(alive)


@settings(deadline=None)
@given(st.integers(1, 7), st.data())
def test_the_queues_do_what_every_placement_of_their_replicas_says(count, data):
    brokers = named("q", count)
    lost = data.draw(st.sets(st.sampled_from(brokers), min_size=1))
    alive = {*brokers} - lost
    placements = itertools.combinations(brokers, min(3, count))

    serves = {
        len(alive) * 2 > count and len(alive & {*placed}) * 2 > len(placed) for placed in placements
    }

    assert _as_told(queue_fate(Layout(queues=brokers), lost).outcome) == serves


def _as_told(outcome):
    if outcome is Outcome.DEPENDS:
        return {True, False}
    return {outcome.survives}


def test_queues_have_as_many_replicas_as_the_queue_role_gives_them():
    assert queue_role._MAX_REPLICAS == MOST_QUEUE_REPLICAS


def test_one_node_of_each_role_may_be_lost():
    found = outcomes(TEN, "db-1", "queue-2", "manager-3")

    assert found == {
        Part.DATABASE: Outcome.WORKS,
        Part.QUEUE: Outcome.WORKS,
        Part.MANAGER: Outcome.WORKS,
        Part.ENTRY: Outcome.WHOLE,
        Part.REST: Outcome.WORKS,
        Part.EXECUTIONS: Outcome.WORKS,
    }


def test_two_of_three_databases_leave_one_to_read_from_but_nothing_for_managers():
    found = outcomes(TEN, "db-1", "db-2")

    assert found[Part.DATABASE] is Outcome.READ_ONLY
    assert found[Part.REST] is Outcome.DOWN
    assert "etcd has 1 of 3 members and needs 2" in reason(TEN, Part.DATABASE, "db-1", "db-2")


def test_without_brokers_requests_are_answered_but_nothing_runs():
    found = outcomes(TEN, "queue-1", "queue-2")

    assert found[Part.REST] is Outcome.WHOLE
    assert found[Part.EXECUTIONS] is Outcome.DOWN


def test_the_only_load_balancer_takes_the_entry_with_it():
    found = outcomes(TEN, "lb-1")

    assert (found[Part.ENTRY], found[Part.REST]) == (Outcome.DOWN, Outcome.DOWN)
    assert found[Part.EXECUTIONS] is Outcome.WHOLE


@pytest.mark.parametrize(
    ("leaders", "outcome"),
    [
        (Leaders(), Outcome.DEPENDS),
        (Leaders(primary="a"), Outcome.DEPENDS),
        (Leaders(primary="a", synchronous="b"), Outcome.READ_ONLY),
        (Leaders(primary="a", synchronous="c"), Outcome.WORKS),
        (Leaders(primary="c"), Outcome.WORKS),
    ],
)
def test_two_of_five_databases_may_be_the_only_two_with_every_commit(leaders, outcome):
    assert database_fate(FIVE, {"a", "b"}, leaders).outcome is outcome


def test_what_is_external_is_not_lost_with_our_nodes():
    layout = Layout(managers=("m-1", "m-2"))

    assert worst(fates(layout, {"m-1"})) is Outcome.WORKS
