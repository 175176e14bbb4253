"""The life of executions: their times, statuses, deployments and what they need."""

import pytest
from sqlalchemy import select, update

from manager.errors import Forbidden
from manager.services.execution_deletion import Deletion, delete_executions
from manager.services.execution_errors import (
    DeploymentEnvironmentFailed,
    DeploymentEnvironmentInProgress,
    DeploymentEnvironmentPending,
    NonexistentWorkflow,
    UnavailableWorkflow,
)
from manager.services.execution_status import ExecutionStatus
from manager.services.executions import (
    deployment_of,
    start_system_workflow,
)
from manager.storage.models import Deployment, Execution, Tenant
from tests.support.execution_world import World
from tests.support.workflows import INSTALL, admin, make_instance

pytestmark = pytest.mark.integration

S = ExecutionStatus


@pytest.fixture
def world(database, publisher):
    """Do things to executions."""
    return World(database, publisher)


def test_the_end_is_written_with_its_time_and_error(world):
    world.deploy("a")
    key = world.start("a")

    world.report(key, S.STARTED)
    world.report(key, S.FAILED, "it broke")

    execution = world.execution(key)
    assert execution.error == "it broke"
    assert execution.created_at < execution.started_at < execution.ended_at


@pytest.mark.parametrize(
    ("state", "status", "installed", "summary"),
    [
        ("started", S.TERMINATED, "active", "good"),
        ("started", S.FAILED, "active", "requires_attention"),
        ("configured", S.TERMINATED, "inactive", "requires_attention"),
        ("started", S.CANCELLED, "active", "good"),
    ],
)
def test_the_deployment_knows_how_it_is(world, state, status, installed, summary):
    world.deploy("a")
    with world.database.session() as session:
        make_instance(session, session.scalars(select(Deployment)).one(), state=state)
    key = world.start("a")
    world.report(key, S.STARTED)
    assert world.deployment("a").deployment_status == "in_progress"

    world.report(key, status)

    deployment = world.deployment("a")
    assert deployment.latest_execution_key == key
    assert (deployment.installation_status, deployment.deployment_status) == (installed, summary)


def test_sub_deployments_worsen_the_status(world):
    world.deploy("a")
    key = world.start("a")
    with world.database.session() as session:
        session.execute(update(Deployment).values(sub_services_status="requires_attention"))

    world.report(key, S.TERMINATED)

    assert world.deployment("a").deployment_status == "requires_attention"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("pending", DeploymentEnvironmentPending),
        ("started", DeploymentEnvironmentInProgress),
        ("failed", DeploymentEnvironmentFailed),
    ],
)
def test_a_deployment_without_environment_runs_nothing(world, status, error):
    world.deploy("a")
    with world.database.session() as session:
        deployment = session.scalars(select(Deployment)).one()
        created = start_system_workflow(
            session,
            admin(session),
            "create_deployment_environment",
            parameters={},
            deployment=deployment,
        )
        created.status = status
        deployment.create_execution_key = created.key

    with pytest.raises(error):
        world.start("a")


def test_an_unknown_workflow_is_refused(world):
    world.deploy("a")

    with pytest.raises(NonexistentWorkflow):
        world.start("a", "fly")


@pytest.mark.parametrize(
    ("rules", "state", "available"),
    [
        ({"available": False}, "started", False),
        ({"node_instances_active": ["all"]}, "started", True),
        ({"node_instances_active": ["none", "partial"]}, "started", False),
        ({"node_instances_active": ["none"]}, "stopped", True),
        ({"node_types_required": ["cloudify.nodes.Compute"]}, "started", False),
        ({"node_types_required": ["x", "cloudify.nodes.Root"]}, "started", True),
    ],
)
def test_availability_rules_are_kept_unless_forced(world, rules, state, available):
    world.deploy("a", workflows={"install": {**INSTALL, "availability_rules": rules}})
    with world.database.session() as session:
        make_instance(session, session.scalars(select(Deployment)).one(), state=state)

    if not available:
        with pytest.raises(UnavailableWorkflow):
            world.start("a")
    world.start("a", force=not available)


def test_another_tenants_deployment_runs_nothing_here(world):
    world.deploy("a")
    with world.database.session() as session:
        other = Tenant(name="other")
        session.add(other)
        session.flush()
        session.execute(update(Deployment).values(tenant_id=other.id, visibility="global"))

    with world.database.session() as session, pytest.raises(Forbidden):
        deployment_of(session, admin(session), "a")


def test_deleting_keeps_the_last_ones_and_what_made_the_environment(world):
    world.deploy("a")
    keys = []
    for _ in range(4):
        keys.append(world.start("a"))
        world.report(keys[-1], S.TERMINATED)
    running = world.start("a")
    with world.database.session() as session:
        session.execute(
            update(Execution)
            .where(Execution.key == keys[0])
            .values(workflow_id="create_deployment_environment")
        )
    statuses = (S.TERMINATED, S.FAILED, S.CANCELLED)

    with world.database.session() as session:
        wanted = Deletion(statuses=statuses, keep_last=1)
        assert delete_executions(session, admin(session), wanted) == 2

    with world.database.session() as session:
        left = set(session.scalars(select(Execution.key)))
    assert left == {keys[0], keys[3], running}
