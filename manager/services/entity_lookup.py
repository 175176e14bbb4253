"""Find what exists in a deployment's surroundings: the values of types such as `node_id`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from manager.storage.models import (
    GLOBAL,
    Blueprint,
    Deployment,
    Node,
    NodeInstance,
    Resource,
    Secret,
)

_PATTERNS: Mapping[str, Callable[[Any, str], ColumnElement[bool]]] = {
    "contains": lambda column, text: column.contains(text, autoescape=True),
    "starts_with": lambda column, text: column.startswith(text, autoescape=True),
    "ends_with": lambda column, text: column.endswith(text, autoescape=True),
    "equals_to": lambda column, text: column == text,
}


class DatabaseLookup:
    """Answers for a deployment what the parser's constraints ask."""

    def __init__(self, session: Session, deployment: Deployment) -> None:
        self._session = session
        self._deployment = deployment

    def has_deployment_id(self) -> bool:
        """Tell whether a deployment is given by the context."""
        return True

    def has_blueprint_id(self) -> bool:
        """Tell whether a blueprint is given by the context."""
        return True

    def get(self, data_type: str, value: Any, **constraints: Any) -> set[Any]:
        """Return `value` in a set when it exists and keeps the constraints, or an empty set."""
        valid = constraints.get("valid_values")
        if valid is not None and value not in valid:
            return set()
        if data_type in ("capability_value", "scaling_group", "operation_name"):
            return self._named(data_type, value, constraints)
        found = self._session.scalar(
            select(func.count()).where(*self._conditions(data_type, value, constraints))
        )
        return {value} if found else set()

    def _conditions(
        self, data_type: str, value: Any, constraints: Mapping[str, Any]
    ) -> list[ColumnElement[bool]]:
        if data_type in _OF_TENANT:
            model, column = _OF_TENANT[data_type]
            conditions = [column == value, self._visible(model)]
        else:
            conditions = self._of_deployment(data_type, value, constraints)
            column = _NAMED_COLUMNS[data_type]
        return [*conditions, *_name_conditions(column, constraints)]

    def _of_deployment(
        self, data_type: str, value: Any, constraints: Mapping[str, Any]
    ) -> list[ColumnElement[bool]]:
        key = self._deployment_key(constraints)
        if data_type == "node_instance":
            return [NodeInstance.id == value, NodeInstance.deployment_key == key]
        if data_type == "node_type":
            return [Node.type_hierarchy.contains([value]), Node.deployment_key == key]
        return [Node.id == value, Node.deployment_key == key]

    def _deployment_key(self, constraints: Mapping[str, Any]) -> int | None:
        named = constraints.get("deployment_id")
        if named is None:
            return self._deployment.key
        return self._session.scalar(
            select(Deployment.key).where(Deployment.id == named, self._visible(Deployment))
        )

    def _named(self, data_type: str, value: Any, constraints: Mapping[str, Any]) -> set[Any]:
        deployment = self._session.get(Deployment, self._deployment_key(constraints))
        if deployment is None:
            return set()
        if data_type == "capability_value":
            capabilities = deployment.capabilities or {}
            return {value} if value in [c.get("value") for c in capabilities.values()] else set()
        if data_type == "scaling_group":
            return {value} if value in (deployment.scaling_groups or {}) else set()
        operations = select(Node.operations).where(Node.deployment_key == deployment.key)
        known = {name for found in self._session.scalars(operations) for name in found or ()}
        return {value} if value in known else set()

    def _visible(self, model: type[Resource]) -> ColumnElement[bool]:
        return or_(model.tenant_id == self._deployment.tenant_id, model.visibility == GLOBAL)


_OF_TENANT: Mapping[str, tuple[type[Resource], Any]] = {
    "deployment_id": (Deployment, Deployment.id),
    "blueprint_id": (Blueprint, Blueprint.id),
    "secret_key": (Secret, Secret.id),
}
_NAMED_COLUMNS: Mapping[str, Any] = {
    "node_id": Node.id,
    "node_type": Node.type,
    "node_instance": NodeInstance.id,
}


def _name_conditions(column: Any, constraints: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions of `name_pattern`; the parser calls it by the field it searches."""
    return [
        or_(*(_PATTERNS[operator](column, text) for text in _texts(wanted)))
        for name, patterns in constraints.items()
        if name.endswith("_specs") and isinstance(patterns, Mapping)
        for operator, wanted in patterns.items()
        if operator in _PATTERNS
    ]


def _texts(wanted: Any) -> Sequence[str]:
    return wanted if isinstance(wanted, list) else [wanted]
