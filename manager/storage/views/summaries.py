"""What summaries count by: the fields of resources that have few values."""

from sqlalchemy import Text, case, type_coerce

from manager.storage.models import Blueprint, Deployment, Execution
from manager.storage.view import View, common_fields

EXECUTION_SUMMARY = View(
    name="Execution",
    model=Execution,
    fields={
        **common_fields(Execution),
        "status": Execution.status,
        "status_display": type_coerce(
            case((Execution.status == "terminated", "completed"), else_=Execution.status), Text
        ),
        "workflow_id": Execution.workflow_id,
        "deployment_id": Deployment.id,
        "blueprint_id": Blueprint.id,
    },
    joins=(
        (Deployment, Deployment.key == Execution.deployment_key),
        (Blueprint, Blueprint.key == Deployment.blueprint_key),
    ),
)
BLUEPRINT_SUMMARY = View(
    name="Blueprint",
    model=Blueprint,
    fields={**common_fields(Blueprint), "state": Blueprint.state},
)
