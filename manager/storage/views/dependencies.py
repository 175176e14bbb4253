"""Inter-deployment dependencies as clients see them."""

from sqlalchemy.orm import aliased

from manager.storage.models import Deployment, InterDeploymentDependency
from manager.storage.raw_json import passing_json
from manager.storage.view import View, common_fields

_SOURCE = aliased(Deployment, name="source_deployment")
_TARGET = aliased(Deployment, name="target_deployment")

DEPENDENCIES = passing_json(
    View(
        name="InterDeploymentDependencies",
        model=InterDeploymentDependency,
        fields={
            **common_fields(InterDeploymentDependency),
            "dependency_creator": InterDeploymentDependency.dependency_creator,
            "target_deployment_func": InterDeploymentDependency.target_deployment_func,
            "external_source": InterDeploymentDependency.external_source,
            "external_target": InterDeploymentDependency.external_target,
            "source_deployment_id": _SOURCE.id,
            "target_deployment_id": _TARGET.id,
        },
        joins=(
            (_SOURCE, _SOURCE.key == InterDeploymentDependency.source_deployment_key),
            (_TARGET, _TARGET.key == InterDeploymentDependency.target_deployment_key),
        ),
    )
)
