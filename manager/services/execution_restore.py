"""Write executions of the past, as snapshots tell of them: nothing is started."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from manager.errors import Conflict, NotFound
from manager.services.authentication import Caller
from manager.services.execution_status import ExecutionStatus
from manager.services.executions import deployment_of
from manager.storage.models import TENANT_WIDE, Deployment, Execution, User


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredExecution:
    """An execution of the past."""

    id: str | None
    deployment_id: str | None
    workflow_id: str
    status: ExecutionStatus
    parameters: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    is_dry_run: bool = False
    is_system_workflow: bool = False
    allow_custom_parameters: bool = False


def restore_execution(session: Session, caller: Caller, past: RestoredExecution) -> Execution:
    """Write an execution with the status that it had; raises Conflict when its id is taken."""
    deployment = None
    if past.deployment_id is not None:
        deployment = deployment_of(session, caller, past.deployment_id)
    execution = Execution(
        id=past.id or str(uuid.uuid4()),
        tenant_id=caller.require_tenant(),
        creator_id=_creator(session, caller, past.created_by),
        visibility=deployment.visibility if deployment else TENANT_WIDE,
        deployment_key=deployment.key if deployment else None,
        workflow_id=past.workflow_id,
        parameters=dict(past.parameters),
        status=past.status,
        error=past.error,
        is_dry_run=past.is_dry_run,
        is_system_workflow=past.is_system_workflow,
        allow_custom_parameters=past.allow_custom_parameters,
        started_at=past.started_at,
        ended_at=past.ended_at,
    )
    if past.created_at is not None:
        execution.created_at = past.created_at
    session.add(execution)
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict(f"Execution with ID `{execution.id}` exists already") from error
    _link(execution, deployment)
    return execution


def _creator(session: Session, caller: Caller, username: str | None) -> int:
    if username is None:
        return caller.user_id
    found = session.scalar(select(User.id).where(User.username == username))
    if found is None:
        raise NotFound.of("User", username)
    return found


def _link(execution: Execution, deployment: Deployment | None) -> None:
    """Let the deployment know its first and its latest execution."""
    if deployment is None:
        return
    deployment.latest_execution_key = execution.key
    if execution.workflow_id == "create_deployment_environment":
        deployment.create_execution_key = execution.key
