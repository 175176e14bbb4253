"""Deployment modifications as clients see them."""

from sqlalchemy import null

from manager.storage.models import Deployment, DeploymentModification
from manager.storage.raw_json import passing_json
from manager.storage.view import View, common_fields

_NOTHING = null()

MODIFICATIONS = passing_json(
    View(
        name="DeploymentModification",
        model=DeploymentModification,
        fields={
            **common_fields(DeploymentModification),
            "context_p": _NOTHING,
            "context": DeploymentModification.context,
            "ended_at": DeploymentModification.ended_at,
            "modified_nodes_p": _NOTHING,
            "modified_nodes": DeploymentModification.modified_nodes,
            "node_instances_p": _NOTHING,
            "node_instances": DeploymentModification.node_instances,
            "status": DeploymentModification.status,
            "deployment_id": Deployment.id,
        },
        joins=((Deployment, Deployment.key == DeploymentModification.deployment_key),),
    )
)
