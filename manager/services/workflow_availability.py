"""Whether a deployment's workflow may run now: the availability rules of its blueprint."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from manager.services.execution_errors import UnavailableWorkflow
from manager.storage.models import Deployment, Node, NodeInstance

_ACTIVE = "started"


def require_available(
    session: Session, deployment: Deployment, workflow_id: str, workflow: Mapping[str, Any]
) -> None:
    """Raise UnavailableWorkflow unless the workflow's rules hold for the deployment."""
    rules = workflow.get("availability_rules") or {}
    if rules and not _holds(session, deployment.key, rules):
        raise UnavailableWorkflow(
            f"Workflow {workflow_id} is not available in deployment {deployment.id} now"
        )


def _holds(session: Session, deployment_key: int, rules: Mapping[str, Any]) -> bool:
    if rules.get("available") is False:
        return False
    active, types = rules.get("node_instances_active"), rules.get("node_types_required")
    if active is not None and _activity(session, deployment_key) not in active:
        return False
    return not types or _has_type(session, deployment_key, types)


def _activity(session: Session, deployment_key: int) -> str:
    """Return how many node instances are started: all, partial or none."""
    query = (
        select(NodeInstance.state).distinct().where(NodeInstance.deployment_key == deployment_key)
    )
    states = set(session.scalars(query))
    if states <= {_ACTIVE}:
        return "all"
    return "partial" if _ACTIVE in states else "none"


def _has_type(session: Session, deployment_key: int, types: list[str]) -> bool:
    query = select(func.count()).where(
        Node.deployment_key == deployment_key,
        or_(*(Node.type_hierarchy.contains([name]) for name in types)),
    )
    return bool(session.scalar(query))
