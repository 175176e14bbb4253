"""Hosts may stop only when what is left has quorum, whatever is down and whoever leads."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.foresight.restart_order import may_be_next, restart_order
from installer.foresight.stopping import may_stop, whole
from installer.foresight.survival import Layout, Part, majority
from installer.status.model import Part as Standing
from installer.status.presence import DatabaseMember, Presence, QuorumQueue

TEN = Layout(
    databases=("db-1", "db-2", "db-3"),
    queues=("queue-1", "queue-2", "queue-3"),
    managers=("manager-1", "manager-2", "manager-3"),
    balancers=("lb-1", "lb-2"),
)
QUEUE = QuorumQueue(name="tasks", members=frozenset(TEN.queues), online=frozenset(TEN.queues))
WHOLE = replace(whole(TEN, Presence()), queues=(QUEUE,))


def named(prefix, count):
    return tuple(f"{prefix}{number}" for number in range(count))


@st.composite
def situations(draw):
    """A layout, whatever may be down of it, and some of its hosts."""
    counts = [draw(st.integers(low, high)) for low, high in ((0, 5), (0, 5), (1, 3), (0, 2))]
    databases, queues, managers, balancers = map(named, "dqmb", counts)
    layout = Layout(
        databases=databases,
        queues=queues,
        managers=managers,
        balancers=balancers,
        synchronous_mode=draw(st.sampled_from(["on", "strict", "off"])),
    )
    best = whole(layout, Presence())
    presence = replace(
        best,
        databases={
            name: replace(member, etcd=draw(st.booleans()), follows=draw(st.booleans()))
            for name, member in best.databases.items()
        },
        is_paused=draw(st.booleans()),
        brokers={name: draw(st.booleans()) for name in queues},
        managers={name: draw(st.booleans()) for name in managers},
        balancers={name: draw(st.booleans()) for name in balancers},
        queues=tuple(draw(st.lists(replicas(queues), max_size=2))) if queues else (),
    )
    everything = [*databases, *queues, *managers, *balancers]
    return layout, presence, frozenset(draw(st.sets(st.sampled_from(everything), min_size=1)))


def replicas(queues):
    members = st.frozensets(st.sampled_from(queues), min_size=1, max_size=3)
    return members.flatmap(
        lambda chosen: st.frozensets(st.sampled_from(sorted(chosen))).map(
            lambda online: QuorumQueue(name="q", members=chosen, online=online)
        )
    )


@given(situations())
def test_what_is_allowed_never_breaks_quorum(situation):
    layout, presence, nodes = situation

    if not may_stop(layout, presence, nodes).allows:
        return

    touched = {role: names for role, names in vars_of(layout).items() if nodes & set(names)}
    if "databases" in touched:
        left = [n for n, m in presence.databases.items() if m.is_whole and n not in nodes]
        assert len(left) >= majority(len(layout.databases))
    if "queues" in touched:
        left = [n for n, runs in presence.brokers.items() if runs and n not in nodes]
        assert len(left) >= majority(len(layout.queues))
        for queue in presence.queues:
            if queue.online & nodes:
                assert len(queue.online - nodes) >= majority(len(queue.members))
    for role, there in (("managers", presence.managers), ("balancers", presence.balancers)):
        if role in touched:
            assert any(works and name not in nodes for name, works in there.items())


@given(situations())
def test_a_primary_stops_only_when_somebody_may_take_over(situation):
    layout, presence, nodes = situation
    primary = presence.database_with(Standing.LEADER)
    if primary not in nodes or not may_stop(layout, presence, nodes).allows:
        return

    assert not presence.is_paused
    if layout.has_synchronous_replica:
        synchronous = presence.database_with(Standing.SYNCHRONOUS)
        assert synchronous is not None
        assert synchronous not in nodes


@given(situations())
def test_what_may_be_next_may_stop(situation):
    layout, presence, _ = situation

    assert all(may_stop(layout, presence, {node}).allows for node in may_be_next(layout, presence))


def vars_of(layout):
    return {
        "databases": layout.databases,
        "queues": layout.queues,
        "managers": layout.managers,
        "balancers": layout.balancers,
    }


@pytest.mark.parametrize("node", [*TEN.databases, *TEN.queues, *TEN.managers, *TEN.balancers])
def test_each_host_of_a_whole_cluster_may_stop(node):
    assert may_stop(TEN, WHOLE, {node}).allows


@pytest.mark.parametrize(
    ("down", "node", "part"),
    [
        ("queue-1", "queue-2", Part.QUEUE),
        ("db-2", "db-3", Part.DATABASE),
        ("lb-1", "lb-2", Part.ENTRY),
    ],
)
def test_while_one_is_down_no_other_of_its_role_may_stop(down, node, part):
    verdict = may_stop(TEN, without(down), {node})

    assert [objection.part for objection in verdict.objections] == [part]
    assert down in verdict.objections[0].remedy
    assert may_stop(TEN, without(down), {down}).allows


def test_a_missing_replica_is_not_told_as_a_missing_member_of_etcd():
    databases = {**WHOLE.databases, "db-2": DatabaseMember(etcd=True, part=Standing.REPLICA)}

    (objection,) = may_stop(TEN, replace(WHOLE, databases=databases), {"db-3"}).objections

    assert objection.reason == "1 of 3 databases would be left that are whole"


def test_a_broker_stays_while_a_queue_would_lose_its_majority():
    lagging = replace(QUEUE, online=frozenset({"queue-1", "queue-2"}))

    (objection,) = may_stop(TEN, replace(WHOLE, queues=(lagging,)), {"queue-1"}).objections

    assert objection.reason == "queue tasks would have 1 of 3 replicas"
    assert may_stop(TEN, replace(WHOLE, queues=(lagging,)), {"queue-3"}).allows


def test_a_paused_patroni_keeps_its_primary():
    paused = replace(WHOLE, is_paused=True)

    assert "paused" in may_stop(TEN, paused, {"db-1"}).objections[0].reason
    assert may_stop(TEN, paused, {"db-3"}).allows


def test_the_primary_restarts_last_and_what_is_down_first():
    order = restart_order(TEN, without("queue-2"))

    assert order.nodes[0] == "queue-2"
    assert order.nodes[-2:] == ("db-2", "db-1")
    assert order.waits_for == ("queue-2",)
    assert order.impossible == ()


def test_who_holds_the_virtual_ip_goes_after_the_other_load_balancers():
    """Else the address moves to a load balancer that restarts next, and moves again."""
    order = restart_order(TEN, replace(WHOLE, holder="lb-1")).nodes

    assert order.index("lb-2") < order.index("lb-1")
    assert order[-1] == "db-1"


IN_STEP = dict.fromkeys(TEN.managers, True)


@pytest.mark.parametrize(
    ("behind", "node", "allowed"),
    [
        ((), "manager-1", True),
        (("manager-2",), "manager-1", True),  # manager-3 has everything
        (("manager-2",), "manager-2", True),
        (("manager-2", "manager-3"), "manager-1", False),
        (("manager-2", "manager-3"), "manager-2", True),
    ],
)
def test_the_only_manager_that_has_all_files_stays(behind, node, allowed):
    presence = replace(WHOLE, in_step=IN_STEP | dict.fromkeys(behind, False))

    verdict = may_stop(TEN, presence, {node})

    assert verdict.allows is allowed
    if not allowed:
        assert "no other manager has all files" in verdict.objections[0].reason


def test_a_manager_that_is_down_itself_may_stop_whoever_is_behind():
    managers = {**WHOLE.managers, "manager-1": False}
    behind = dict.fromkeys(TEN.managers, False)

    assert may_stop(TEN, replace(WHOLE, managers=managers, in_step=behind), {"manager-1"}).allows


def test_executions_that_run_there_are_told():
    presence = replace(WHOLE, executions={"manager-1": 2, "manager-2": 5})

    assert "2 on manager-1" in may_stop(TEN, presence, {"manager-1"}).notes[0]
    assert "runs there" not in "".join(may_stop(TEN, presence, {"db-3"}).notes)


def test_a_single_node_is_the_proof_that_no_order_exists():
    layout = replace(TEN, balancers=("lb-1",))

    order = restart_order(layout, whole(layout, Presence()))

    assert [verdict.nodes for verdict in order.impossible] == [("lb-1",)]
    assert "lb-1" not in order.nodes


def without(node):
    """Return the whole cluster with one service gone."""
    databases = {**WHOLE.databases}
    if node in databases:
        databases[node] = DatabaseMember(etcd=False)
    return replace(
        WHOLE,
        databases=databases,
        brokers={name: name != node for name in WHOLE.brokers},
        balancers={name: name != node for name in WHOLE.balancers},
    )
