"""What the nodes told, as presence: whatever cannot be asked is not there."""

import pytest

from installer.inventory import Role
from installer.secrets import Secret
from installer.status.facts import Answer
from installer.status.model import Part
from installer.status.request import BROKERS as BROKER_VIEW
from installer.status.request import (
    ETCD,
    EXECUTIONS,
    PATRONI,
    QUORUM,
    REST,
    SYNC,
    work_request,
)
from installer.status.seen import presence_of, read_queues
from tests.unit.installer.status.world import (
    DATABASES,
    MANAGERS,
    QUEUES,
    brokers,
    healthy,
    inventory,
    patroni,
    said,
    with_answer,
    without,
)


def test_a_healthy_cluster_is_there_with_all_its_parts():
    found = presence_of(healthy())

    assert found.database_with(Part.LEADER) == "db-1"
    assert found.database_with(Part.SYNCHRONOUS) == "db-2"
    assert all(member.is_whole for member in found.databases.values())
    for there in (found.brokers, found.managers, found.in_step, found.balancers):
        assert all(there.values())
    assert found.in_step.keys() == set(MANAGERS)
    assert not found.is_paused


def test_nothing_is_there_of_a_node_that_cannot_be_asked():
    names = ("db-3", "queue-3", "manager-3", "lb-1")
    found = presence_of(without(healthy(), *names))

    assert not found.databases["db-3"].is_whole
    assert not found.brokers["queue-3"]
    assert not found.managers["manager-3"]
    assert not found.balancers["lb-1"]
    assert found.databases["db-2"].is_whole


@pytest.mark.parametrize(
    ("answer", "value", "node", "gone"),
    [
        (ETCD, said({"health": "false"}, 503), "db-2", lambda p: not p.databases["db-2"].etcd),
        (REST, Answer(status=500, text="FAIL"), "manager-1", lambda p: not p.managers["manager-1"]),
        (SYNC, said({"needBytes": 7}), "manager-1", lambda p: not p.in_step["manager-1"]),
    ],
)
def test_who_says_that_it_is_not_well_is_not_there(answer, value, node, gone):
    assert not gone(presence_of(healthy()))
    assert gone(presence_of(with_answer(healthy(), answer, value, node)))


def test_a_broker_that_is_parted_from_another_counts_as_gone():
    parted = brokers(queue_2={"partitions": ["rabbit@queue-3"]}, queue_3={"running": False})
    found = presence_of(with_answer(healthy(), BROKER_VIEW, parted, *QUEUES))

    assert found.brokers == {"queue-1": True, "queue-2": False, "queue-3": False}


def test_a_pause_and_the_lag_are_told_by_patroni():
    view = patroni(pause=True, db_3={"lag": 9})
    found = presence_of(with_answer(healthy(), PATRONI, view, *DATABASES))

    assert found.is_paused
    assert found.databases["db-3"].lag_bytes == 9


def test_executions_are_told_by_the_primary():
    facts = with_answer(healthy(), EXECUTIONS, Answer(text='{"manager-1": 3}'), "db-1")

    assert presence_of(facts).executions == {"manager-1": 3}
    assert presence_of(healthy()).executions == {}


def test_only_replicated_queues_count():
    told = [
        {"name": "reply", "type": "classic"},
        {
            "name": "tasks",
            "type": "quorum",
            "members": ["rabbit@queue-1", "rabbit@queue-2"],
            "online": ["rabbit@queue-2"],
        },
    ]

    (queue,) = read_queues(told)

    assert (queue.name, queue.members, queue.online) == (
        "tasks",
        {"queue-1", "queue-2"},
        {"queue-2"},
    )
    facts = with_answer(healthy(), QUORUM, said(told), "queue-3")
    assert presence_of(facts).queues == (queue,)


def test_what_decides_on_stopping_is_asked_of_brokers_and_databases_only():
    cluster, secrets = inventory(), {"rabbitmq_password": Secret("p")}

    for node in cluster.nodes:
        request = work_request(cluster, node, secrets, 10.0)
        assert (QUORUM in request["gets"]) is (Role.QUEUE in node.roles)
        if QUORUM in request["gets"]:  # statistics call replicas online that have gone
            assert "disable_stats=true" in request["gets"][QUORUM]["path"]
        questions = [name for name, _, _ in request.get("sql", ())]
        assert (EXECUTIONS in questions) is (Role.DATABASE in node.roles)
