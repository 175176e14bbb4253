"""A restored database believes in what ran when it was saved; nothing of that may go on alone."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from manager.errors import BadParameters
from manager.services.execution_status import ExecutionStatus
from manager.services.restored import parse_nodes, settle
from manager.storage.models import Broker, DatabaseNode, Execution, Manager
from manager.worker.sweeper import sweep
from tests.support.execution_world import World

pytestmark = pytest.mark.integration

S = ExecutionStatus


@pytest.fixture
def world(database, publisher):
    """Do things to executions."""
    return World(database, publisher)


def the_nodes(session):
    return {
        "managers": {m.hostname: m.private_ip for m in session.scalars(select(Manager))},
        "brokers": {b.name: b.host for b in session.scalars(select(Broker))},
        "databases": {d.name: d.host for d in session.scalars(select(DatabaseNode))},
    }


def settled(world, **without):
    with world.database.session() as session:
        return settle(session, the_nodes(session) | without)


def test_what_ran_has_failed_and_what_waited_is_cancelled(world):
    world.deploy("a", "b")
    running, waiting, pending = (
        world.start("a"),
        world.start("a", queue=True),
        world.start("b"),
    )
    world.report(running, S.STARTED)
    assert world.status(running, waiting, pending) == [S.STARTED, S.QUEUED, S.PENDING]

    done = settled(world)

    assert world.status(running, waiting, pending) == [S.FAILED, S.CANCELLED, S.FAILED]
    assert (done.failed, done.cancelled) == (2, 1)
    assert "nobody knows how far" in world.execution(running).error


def test_nothing_is_dispatched_by_it_or_after_it(world):
    world.deploy("a")
    running = world.start("a")
    world.start("a", queue=True)
    world.report(running, S.STARTED)
    before = list(world.sent)

    settled(world)
    with world.database.session() as session:
        session.execute(update(Execution).values(dispatched_at=datetime(2020, 1, 1, tzinfo=UTC)))
        sweep(session)

    assert world.sent == before


def test_only_what_is_still_to_come_stays_scheduled(world):
    world.deploy("a", "b")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    overdue, to_come = (world.start(name, scheduled_for=tomorrow) for name in ("a", "b"))
    with world.database.session() as session:
        session.get_one(Execution, overdue).scheduled_for = datetime(2020, 1, 1, tzinfo=UTC)

    settled(world)

    assert world.status(overdue, to_come) == [S.CANCELLED, S.SCHEDULED]


def test_nodes_of_another_cluster_are_forgotten(world):
    with world.database.session() as session:
        before = the_nodes(session)
    kept = dict(list(before["brokers"].items())[:1])

    done = settled(world, brokers=kept, managers={})

    with world.database.session() as session:
        after = the_nodes(session)
    assert after == before | {"brokers": kept, "managers": {}}
    assert set(done.forgotten) == {*before["brokers"], *before["managers"]} - kept.keys()


def test_a_name_at_another_address_is_another_machine(world):
    """Its address may be the one of another node by now, and its entry would tell agents of it."""
    with world.database.session() as session:
        before = the_nodes(session)
    moved = {kind: dict.fromkeys(nodes, "10.9.9.9") for kind, nodes in before.items()}

    settled(world, **moved)

    with world.database.session() as session:
        assert the_nodes(session) == {"managers": {}, "brokers": {}, "databases": {}}


def test_a_second_time_there_is_nothing_to_do(world):
    world.deploy("a")
    world.start("a")
    settled(world)

    done = settled(world)

    assert (done.failed, done.cancelled, done.forgotten) == (0, 0, ())


@pytest.mark.parametrize(
    "document", [{}, {"managers": {}}, {"managers": ["m-1"], "brokers": {}, "databases": {}}, []]
)
def test_names_that_are_not_lists_forget_nobody(document):
    with pytest.raises(BadParameters):
        parse_nodes(json.loads(json.dumps(document)))
