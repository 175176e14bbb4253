"""Which executions run beside which, and what waits."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from manager.services.config import find_config, set_config
from manager.services.execution_errors import (
    ExistingRunningExecution,
)
from manager.services.execution_life import start_due
from manager.services.execution_status import ExecutionStatus
from manager.storage.models import Deployment, Event, Execution
from tests.support.execution_world import World
from tests.support.workflows import admin

pytestmark = pytest.mark.integration

S = ExecutionStatus


@pytest.fixture
def world(database, publisher):
    """Do things to executions."""
    return World(database, publisher)


def test_a_deployment_runs_one_workflow_at_a_time(world):
    world.deploy("a", "b")
    world.start("a")

    with pytest.raises(ExistingRunningExecution):
        world.start("a")
    world.start("b")

    assert world.sent == ["a", "b"]


def test_force_runs_beside_another(world):
    world.deploy("a")
    world.start("a")

    world.start("a", force=True)

    assert world.sent == ["a", "a"]


def test_a_queued_execution_begins_at_the_end_of_the_other(world):
    world.deploy("a")
    first = world.start("a")
    second = world.start("a", queue=True)
    third = world.start("a", queue=True)
    assert world.status(second, third) == ["queued", "queued"]
    assert world.sent == ["a"]

    world.report(first, S.TERMINATED)

    assert world.status(second, third) == ["pending", "queued"]
    assert world.sent == ["a", "a"]


def test_waiting_is_told_as_an_event(world):
    world.deploy("a")
    world.start("a")
    world.start("a", queue=True)

    with world.database.session() as session:
        (event,) = session.scalars(select(Event)).all()
    assert event.event_type == "workflow_queued"


def test_a_queue_is_left_before_later_ones_may_start(world):
    """A request that does not wait cannot overtake one that does."""
    world.deploy("a")
    world.start("a")
    world.start("a", queue=True)

    with pytest.raises(ExistingRunningExecution):
        world.start("a")


def test_a_system_wide_workflow_runs_alone(world):
    world.deploy("a", "b")
    running = world.start("a")
    with pytest.raises(ExistingRunningExecution):
        world.start_system_wide()
    snapshot = world.start_system_wide(queue=True)
    with pytest.raises(ExistingRunningExecution):
        world.start("b")
    later = world.start("b", queue=True)

    world.report(running, S.TERMINATED)
    assert world.status(snapshot, later) == ["pending", "queued"]
    world.report(snapshot, S.TERMINATED)
    assert world.status(later) == ["pending"]


def test_the_queue_gives_no_more_slots_than_configured(world):
    with world.database.session() as session:
        entry = find_config(session, "max_concurrent_workflows", as_admin=True)
        set_config(session, entry, 2, admin(session).user_id)
    world.deploy("a", "b", "c", "d")
    keys = [world.start(name, queue=True) for name in "abcd"]
    assert world.status(*keys) == ["pending", "pending", "queued", "queued"]

    world.report(keys[0], S.TERMINATED)

    assert world.status(*keys) == ["terminated", "pending", "pending", "queued"]


def test_a_queued_execution_fails_if_its_deployment_has_changed(world):
    world.deploy("a")
    first = world.start("a")
    second, third = (world.start("a", queue=True) for _ in range(2))
    with world.database.session() as session:
        session.execute(update(Deployment).values(workflows={}))

    world.report(first, S.TERMINATED)

    assert world.status(second) == ["failed"]
    assert "does not exist" in world.execution(second).error
    assert world.execution(second).ended_at is not None
    assert world.status(third) == ["queued"]


def test_scheduled_executions_begin_when_their_time_has_come(world):
    world.deploy("a")
    key = world.start("a", scheduled_for=datetime.now(UTC) + timedelta(hours=1))
    with world.database.session() as session:
        assert start_due(session) == 0
    assert (world.status(key), world.sent) == (["scheduled"], [])
    with world.database.session() as session:
        session.execute(update(Execution).values(scheduled_for=func.now()))

    with world.database.session() as session:
        assert start_due(session) == 1

    assert (world.status(key), world.sent) == (["pending"], ["a"])


def test_many_at_once_leave_one_running_in_each_deployment(world):
    """Transactions that decide at the same time see each other's decisions."""
    names = ["a", "b", "c"]
    world.deploy(*names)

    with ThreadPoolExecutor(9) as threads, Watcher(world.database) as watcher:
        list(threads.map(lambda name: _run_six(world, name), names * 3))
    while running := _active(world):
        for key in running:
            world.report(key, S.TERMINATED)

    assert watcher.most == 1
    with world.database.session() as session:
        statuses = select(Execution.status, func.count()).group_by(Execution.status)
        assert dict(session.execute(statuses).all()) == {"terminated": 54}
    assert sorted(world.sent) == sorted(names * 18)


def _run_six(world, name):
    for _ in range(6):
        key = world.start(name, queue=True)
        if world.status(key) == ["pending"]:
            world.report(key, S.STARTED)
            world.report(key, S.TERMINATED)


def _active(world):
    with world.database.session() as session:
        return session.scalars(
            select(Execution.key).where(Execution.status.in_(["pending", "started"]))
        ).all()


class Watcher:
    """Notes the most executions of one deployment that any moment saw active."""

    def __init__(self, database):
        self._database, self.most = database, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        query = (
            select(func.count())
            .where(Execution.status.in_(["pending", "started"]))
            .group_by(Execution.deployment_key)
        )
        while not self._stop.is_set():
            with self._database.session() as session:
                self.most = max([self.most, *session.scalars(query)])
