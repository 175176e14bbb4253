"""Operators cancel, kill, resume and requeue executions."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from manager.errors import Conflict
from manager.services.execution_actions import (
    cancel_execution,
    requeue_execution,
    resume_execution,
)
from manager.services.execution_errors import (
    ExistingRunningExecution,
    ForbiddenWhileCancelling,
    IllegalAction,
    InvalidExecutionStatus,
)
from manager.services.execution_status import Cancellation, ExecutionStatus
from manager.services.executions import (
    require_progress,
)
from manager.services.task_graphs import WantedGraph, create_graph
from manager.storage.models import Deployment, Execution, Operation
from manager.worker.claims import Reference
from manager.worker.workflows import _settle, context_of
from tests.support.execution_world import World
from tests.support.workflows import admin, make_instance

pytestmark = pytest.mark.integration

S = ExecutionStatus


@pytest.fixture
def world(database, publisher):
    """Do things to executions."""
    return World(database, publisher)


@pytest.mark.parametrize(
    ("how", "status", "kills"),
    [
        ("cancel", "cancelling", 0),
        ("force-cancel", "force_cancelling", 0),
        ("kill", "kill_cancelling", 1),
    ],
)
def test_cancelling_asks_the_worker(world, how, status, kills):
    world.deploy("a")
    key = world.start("a")
    old_token = world.execution(key).token_hash

    world.act(cancel_execution, key, Cancellation(how))

    assert world.status(key) == [status]
    services = [taken for taken in world.publisher.taken if taken[1] == "service"]
    assert len(services) == kills
    assert (world.execution(key).token_hash != old_token) == bool(kills)
    with pytest.raises(InvalidExecutionStatus):
        world.report(key, S.STARTED)
    world.report(key, S.CANCELLED)


def test_a_kill_reaches_every_worker_with_a_valid_token(world, api):
    world.deploy("a")
    key = world.start("a")

    world.act(cancel_execution, key, Cancellation.KILL)

    exchange, _, body = world.publisher.taken[-1]
    task = body["service_task"]
    ((execution),) = task["kwargs"]["executions"]
    assert exchange == "cloudify-mgmtworker-service"
    assert task["task_name"] == "cancel-workflow"
    assert list(task["kwargs"]) == ["rest_host", "rest_port", "executions", "tenant"]
    assert api.with_token(execution["token"]).get("/user")["username"] == "admin"


def test_cancelling_becomes_more_urgent_only(world):
    world.deploy("a")
    key = world.start("a")
    world.act(cancel_execution, key, Cancellation.CANCEL)
    world.act(cancel_execution, key, Cancellation.FORCE)

    with pytest.raises(IllegalAction):
        world.act(cancel_execution, key, Cancellation.CANCEL)

    world.act(cancel_execution, key, Cancellation.KILL)
    world.report(key, S.CANCELLED)
    with pytest.raises(IllegalAction):
        world.act(cancel_execution, key, Cancellation.KILL)


def test_what_waits_is_cancelled_at_once(world):
    world.deploy("a")
    world.start("a")
    queued = world.start("a", queue=True)

    world.act(cancel_execution, queued, Cancellation.CANCEL)

    assert world.status(queued) == ["cancelled"]
    assert world.execution(queued).ended_at is not None


def test_a_cancelled_execution_starts_nothing_new(world):
    world.deploy("a")
    key = world.start("a")
    world.act(cancel_execution, key, Cancellation.CANCEL)

    with world.database.session() as session:
        caller = admin(session, execution_key=key)
        with pytest.raises(ForbiddenWhileCancelling):
            require_progress(session, caller)


def stored_graph(world, key, states):
    operations = [
        {
            "id": name,
            "name": name,
            "type": "RemoteWorkflowTask",
            "state": state,
            "parameters": {"current_retries": 3, "retried_task": retried},
        }
        for name, (state, retried) in states.items()
    ]
    with world.database.session() as session:
        execution = session.get_one(Execution, key)
        create_graph(session, execution, WantedGraph(name="install", operations=operations))


def states(world):
    with world.database.session() as session:
        return dict(session.execute(select(Operation.id, Operation.state)).all())


@pytest.mark.parametrize("force", [False, True])
def test_a_resume_resets_what_did_not_succeed(world, force):
    world.deploy("a")
    key = world.start("a")
    stored_graph(
        world,
        key,
        {
            "done": ("succeeded", None),
            "broken": ("failed", None),
            "retried": ("rescheduled", None),
            "retry": ("failed", "retried"),
            "running": ("started", None),
            "sent": ("sent", None),
            "next": ("pending", None),
        },
    )
    assert (world.execution(key).total_operations, world.execution(key).finished_operations) == (
        7,
        4,
    )
    world.report(key, S.FAILED, "it broke")
    old = world.publisher.tokens

    world.act(resume_execution, key, force=force)

    under_way = "pending" if force else "started"
    assert states(world) == {
        "done": "succeeded",
        "broken": "pending",
        "retried": "rescheduled",
        "retry": "pending",
        "running": under_way,
        "sent": "pending" if force else "sent",
        "next": "pending",
    }
    execution = world.execution(key)
    assert (execution.status, execution.resume, execution.ended_at) == ("pending", True, None)
    assert execution.finished_operations == 2
    assert world.publisher.tokens != old
    context = world.publisher.taken[-1][2]["cloudify_task"]["kwargs"]["__cloudify_context"]
    assert context["resume"] is True


@pytest.mark.parametrize(
    ("status", "force", "allowed"),
    [
        (S.STARTED, False, True),
        (S.STARTED, True, False),
        (S.TERMINATED, False, False),
        (S.CANCELLED, True, True),
        (S.PENDING, False, False),
    ],
)
def test_only_some_statuses_are_resumed(world, status, force, allowed):
    world.deploy("a")
    key = world.start("a")
    if status is not S.PENDING:
        world.report(key, status)

    if allowed:
        world.act(resume_execution, key, force=force)
        assert world.status(key) == ["pending"]
    else:
        with pytest.raises(Conflict):
            world.act(resume_execution, key, force=force)


def test_a_resume_waits_for_nobody_and_runs_beside_nobody(world):
    world.deploy("a")
    key = world.start("a")
    world.report(key, S.FAILED)
    world.start("a")

    with pytest.raises(ExistingRunningExecution):
        world.act(resume_execution, key, force=False)


def test_components_are_cancelled_and_resumed_with_their_parent(world):
    world.deploy("parent", "child")
    with world.database.session() as session:
        parent = session.scalars(select(Deployment).where(Deployment.id == "parent")).one()
        make_instance(
            session,
            parent,
            types=["cloudify.nodes.Component"],
            runtime_properties={"deployment": {"id": "child"}},
        )
    parent, child = world.start("parent"), world.start("child")

    world.act(cancel_execution, parent, Cancellation.CANCEL)
    assert world.status(parent, child) == ["cancelling", "cancelling"]
    for key in (child, parent):
        world.report(key, S.CANCELLED)
    world.act(resume_execution, parent, force=False)

    assert world.status(parent, child) == ["pending", "pending"]


def test_requeueing_lets_what_waits_take_its_turn(world):
    world.deploy("a")
    key = world.start("a", scheduled_for=datetime.now(UTC) + timedelta(hours=1))

    world.act(requeue_execution, key)
    assert world.status(key) == ["pending"]
    world.report(key, S.TERMINATED)

    with pytest.raises(Conflict):
        world.act(requeue_execution, key)


def test_a_process_that_ends_late_leaves_what_was_resumed_since(world):
    """It told the end itself; its worker comes to settle it only after the operator's resume."""
    world.deploy("a")
    key = world.start("a")
    world.report(key, S.FAILED, "it broke")
    world.act(resume_execution, key, force=False)
    first, second = (Reference.of(context_of(body)) for _, _, body in world.publisher.taken)

    settle(world, key, first)
    assert world.status(key) == ["pending"]

    settle(world, key, second)
    assert world.status(key) == ["failed"]
    assert world.execution(key).error == "its process is gone"


def settle(world, key, reference):
    with world.database.session() as session:
        _settle(session, key, reference, "its process is gone")
