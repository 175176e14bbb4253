"""Start executions: of a deployment's workflows and of the manager's own."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.errors import BadParameters, Forbidden
from manager.services.authentication import Caller
from manager.services.dispatch import dispatch_workflow
from manager.services.entity_lookup import DatabaseLookup
from manager.services.event_store import write_event
from manager.services.execution_errors import (
    DeploymentEnvironmentFailed,
    DeploymentEnvironmentInProgress,
    DeploymentEnvironmentPending,
    ForbiddenWhileCancelling,
)
from manager.services.execution_gate import find_blockers, free_slots, take_gate
from manager.services.execution_status import ACTIVE, ExecutionStatus
from manager.services.resources import find
from manager.services.workflow_availability import require_available
from manager.services.workflow_context import SYSTEM_TASKS, workflow_of
from manager.services.workflow_parameters import merged_parameters
from manager.storage.models import EVENT, TENANT_WIDE, Deployment, Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """How an execution is to start.

    `force` lets it run beside others of its deployment and against the workflow's availability
    rules; `queue` lets it wait for them instead of failing; `allow_overlap` ignores whatever else
    runs. `scheduled_for` lets it wait for a time. A system-wide execution runs alone in the
    cluster. An execution is as visible as its deployment; `visibility` is for those without one.
    """

    force: bool = False
    queue: bool = False
    allow_overlap: bool = False
    dry_run: bool = False
    allow_custom_parameters: bool = False
    wait_after_fail_s: int = 600
    bypass_maintenance: bool = False
    scheduled_for: datetime | None = None
    is_system_wide: bool = False
    visibility: str = TENANT_WIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWorkflow:
    """A workflow of a deployment, as a request wants it to run."""

    workflow_id: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: StartOptions = StartOptions()


def start_workflow(
    session: Session,
    caller: Caller,
    deployment: Deployment,
    wanted: WantedWorkflow,
) -> Execution:
    """Start, queue or schedule a workflow of a deployment; its message goes out at the commit.

    Raises what is wrong with the request: the workflow, its parameters, or what runs already.
    """
    take_gate(session, deployment.key)
    _require_environment(session, deployment)
    execution = _make(caller, wanted, deployment)
    prepare(session, execution, deployment)
    workflow = workflow_of(deployment, wanted.workflow_id)
    if not wanted.options.force and wanted.options.scheduled_for is None:
        require_available(session, deployment, wanted.workflow_id, workflow)
    _begin(session, execution, wanted.options)
    return execution


def start_system_workflow(  # noqa: PLR0913 - what every caller has to say
    session: Session,
    caller: Caller,
    workflow_id: str,
    *,
    parameters: Mapping[str, Any],
    deployment: Deployment | None = None,
    options: StartOptions = StartOptions(),
) -> Execution:
    """Start a workflow of the manager's own, such as `upload_blueprint`.

    Its message goes out at the commit. Raises ExistingRunningExecution, unless it may wait.
    """
    take_gate(session, deployment.key if deployment else None)
    wanted = WantedWorkflow(workflow_id=workflow_id, parameters=parameters, options=options)
    execution = _make(caller, wanted, deployment)
    workflow_of(deployment, workflow_id)  # raises NonexistentWorkflow
    _begin(session, execution, options)
    return execution


def prepare(session: Session, execution: Execution, deployment: Deployment) -> None:
    """Complete the execution's parameters by what the deployment's workflow declares now.

    Raises NonexistentWorkflow or IllegalExecutionParameters.
    """
    workflow = workflow_of(deployment, execution.workflow_id)
    execution.parameters = merged_parameters(
        execution.workflow_id,
        workflow.get("parameters") or {},
        execution.parameters or {},
        allow_custom=execution.allow_custom_parameters,
        lookup=DatabaseLookup(session, deployment),
    )


def deployment_of(session: Session, caller: Caller, deployment_id: object) -> Deployment:
    """Return the deployment to run a workflow in, unlocked: the gate comes with its own lock.

    Raises NotFound, or Forbidden for another tenant's.
    """
    deployment = find(session, caller, Deployment, str(deployment_id))
    if deployment.tenant_id != caller.tenant_id:
        raise Forbidden(
            f"Deployment {deployment.id} belongs to another tenant, which alone may run workflows"
        )
    return deployment


def require_progress(session: Session, caller: Caller) -> None:
    """Raise ForbiddenWhileCancelling when the caller is an execution that is being cancelled."""
    if caller.execution_key is None:
        return
    query = select(Execution.status).where(Execution.key == caller.execution_key)
    status = session.scalars(query).one()
    if status in ACTIVE - {ExecutionStatus.PENDING, ExecutionStatus.STARTED}:
        raise ForbiddenWhileCancelling(
            "The execution that asks for this is being cancelled: it may start nothing new"
        )


def should_start(session: Session, execution: Execution) -> bool:
    """Tell whether nothing stands in the execution's way."""
    return not find_blockers(session, execution, force=False)


def make_pending(session: Session, execution: Execution) -> None:
    """Let a worker run the execution once the session is committed."""
    execution.status = ExecutionStatus.PENDING
    session.flush()
    dispatch_workflow(session, execution)


def tell_queued(session: Session, execution: Execution) -> None:
    """Tell in the execution's events that it waits."""
    message = f"'{execution.workflow_id}' workflow execution was queued"
    write_event(session, execution, EVENT, event_type="workflow_queued", message=message)


def _make(caller: Caller, wanted: WantedWorkflow, deployment: Deployment | None) -> Execution:
    options = wanted.options
    return Execution(
        id=str(uuid.uuid4()),
        tenant_id=caller.require_tenant(),
        creator_id=caller.user_id,
        visibility=deployment.visibility if deployment else options.visibility,
        deployment_key=deployment.key if deployment else None,
        workflow_id=wanted.workflow_id,
        parameters=dict(wanted.parameters),
        status=ExecutionStatus.QUEUED,
        is_system_workflow=options.is_system_wide,
        is_dry_run=options.dry_run,
        allow_custom_parameters=(
            options.allow_custom_parameters or wanted.workflow_id in SYSTEM_TASKS
        ),
        resume=False,
        wait_after_fail_s=options.wait_after_fail_s,
        bypass_maintenance=options.bypass_maintenance,
        total_operations=0,
        finished_operations=0,
    )


def _begin(session: Session, execution: Execution, options: StartOptions) -> None:
    session.add(execution)
    if options.scheduled_for is not None:
        _schedule(execution, options.scheduled_for)
    session.flush()
    if execution.status == ExecutionStatus.SCHEDULED:
        return
    if options.allow_overlap or not _must_wait(session, execution, options):
        make_pending(session, execution)
    else:
        tell_queued(session, execution)


def _must_wait(session: Session, execution: Execution, options: StartOptions) -> bool:
    blockers = find_blockers(session, execution, force=options.force)
    if blockers and not options.queue:
        blockers.refuse()
    return bool(blockers) or (options.queue and not free_slots(session))


def _schedule(execution: Execution, moment: datetime) -> None:
    if moment <= datetime.now(UTC):
        raise BadParameters(f"{moment.isoformat()} has already passed")
    execution.status = ExecutionStatus.SCHEDULED
    execution.scheduled_for = moment


def _require_environment(session: Session, deployment: Deployment) -> None:
    """Raise unless the deployment's environment was made, or its execution is forgotten."""
    if deployment.create_execution_key is None:
        return
    row = session.execute(
        select(Execution.status, Execution.error).where(
            Execution.key == deployment.create_execution_key
        )
    ).one()
    if row.status in (ExecutionStatus.PENDING, ExecutionStatus.QUEUED):
        raise DeploymentEnvironmentPending(
            f"The environment of deployment {deployment.id} is about to be created: try again later"
        )
    if row.status in ACTIVE:
        raise DeploymentEnvironmentInProgress(
            f"The environment of deployment {deployment.id} is being created: try again later"
        )
    if row.status == ExecutionStatus.FAILED:
        raise DeploymentEnvironmentFailed(
            f"The environment of deployment {deployment.id} could not be created: {row.error}"
        )
