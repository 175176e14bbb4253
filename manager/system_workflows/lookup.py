"""What the values of inputs range over while there is no environment yet: the blueprint's plan."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from manager.dsl.parse import Plan
from manager.services.entity_lookup import DatabaseLookup
from manager.storage.models import Deployment


class PlanLookup(DatabaseLookup):
    """Answers for a deployment to be: nodes are the plan's, unless another deployment is named."""

    def __init__(self, session: Session, deployment: Deployment, plan: Plan) -> None:
        super().__init__(session, deployment)
        self._plan = plan

    def has_deployment_id(self) -> bool:
        """Tell that the deployment has nothing to choose from yet."""
        return False

    def get(self, data_type: str, value: Any, **constraints: Any) -> set[Any]:
        """Return `value` in a set when it exists and keeps the constraints, or an empty set."""
        if "deployment_id" in constraints or data_type not in _OF_PLAN:
            return super().get(data_type, value, **constraints)
        valid = constraints.get("valid_values")
        is_allowed = valid is None or value in valid
        return {value} if is_allowed and value in _OF_PLAN[data_type](self._plan) else set()


def _node_ids(plan: Mapping[str, Any]) -> set[str]:
    return {node["id"] for node in plan["nodes"]}


def _node_types(plan: Mapping[str, Any]) -> set[str]:
    return {name for node in plan["nodes"] for name in node["type_hierarchy"]}


def _operations(plan: Mapping[str, Any]) -> set[str]:
    return {name for node in plan["nodes"] for name in node["operations"]}


def _scaling_groups(plan: Mapping[str, Any]) -> set[str]:
    return set(plan.get("scaling_groups") or ())


_OF_PLAN: Mapping[str, Callable[[Mapping[str, Any]], set[str]]] = {
    "node_id": _node_ids,
    "node_type": _node_types,
    "operation_name": _operations,
    "scaling_group": _scaling_groups,
}
