"""Whether a deployment's workflow may run now: the availability rules of its blueprint."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, Text, func, select
from sqlalchemy.orm import Session

from manager.services.execution_errors import UnavailableWorkflow
from manager.storage.models import Deployment, Node, NodeInstance
from manager.storage.views.workflow_items import is_available

_TYPES = func.jsonb_array_elements_text(Node.type_hierarchy, type_=Text)


def require_available(
    session: Session, deployment: Deployment, workflow_id: str, workflow: Mapping[str, Any]
) -> None:
    """Raise UnavailableWorkflow unless the workflow's rules hold for the deployment."""
    if workflow.get("availability_rules") and not is_available(
        workflow,
        frozenset(session.scalars(_distinct(NodeInstance.state, NodeInstance, deployment))),
        frozenset(session.scalars(_distinct(_TYPES, Node, deployment))),
    ):
        raise UnavailableWorkflow(
            f"Workflow {workflow_id} is not available in deployment {deployment.id} now"
        )


def _distinct(
    column: Any, table: type[Node | NodeInstance], deployment: Deployment
) -> Select[tuple[str]]:
    """Select the different values that the parts of a deployment have in a column."""
    return select(column).where(table.deployment_key == deployment.key).distinct()
