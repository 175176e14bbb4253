"""Dependencies between deployments: what functions such as get_capability ask of others."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from manager.dsl.parse import Plan
from manager.services.authentication import Caller
from manager.services.dependencies import Dependency, add_dependencies
from manager.storage.models import Deployment


def create_dependencies(
    session: Session, deployment: Deployment, caller: Caller, plan: Plan
) -> None:
    """Store the deployments that functions of the plan ask, known ones and functions that tell."""
    found = [_dependency(item) for item in plan.get("inter_deployment_functions") or ()]
    add_dependencies(session, caller, deployment.id, found)


def _dependency(item: Mapping[str, Any]) -> Dependency:
    name, function = item["target_deployment"]
    if name is not None:
        return Dependency(creator=item["function_identifier"], target=str(name))
    told_later = {"function": function, "context": item.get("context") or {}}
    return Dependency(creator=item["function_identifier"], target_function=told_later)
