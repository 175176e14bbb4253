"""Dependencies between deployments: what functions such as get_capability ask of others."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from manager.dsl.parse import Plan
from manager.services.authentication import Caller
from manager.services.nodes import insert_rows, part_of
from manager.storage.models import Deployment, InterDeploymentDependency
from manager.storage.scope import readable


def create_dependencies(
    session: Session, deployment: Deployment, caller: Caller, plan: Plan
) -> None:
    """Store the deployments that functions of the plan ask, known ones and functions that tell."""
    found = list(plan.get("inter_deployment_functions") or ())
    targets = _keys(session, caller, {name for name in _names(found) if name})
    common = {
        **part_of(deployment, caller.user_id),
        "source_deployment_key": deployment.key,
    }
    rows = [{**_row(item, targets), **common} for item in found]
    insert_rows(session, InterDeploymentDependency, rows)


def _names(found: list[Mapping[str, Any]]) -> Iterator[str | None]:
    for item in found:
        name, _ = item["target_deployment"]
        yield name if isinstance(name, str) else None


def _row(item: Mapping[str, Any], targets: Mapping[str, int]) -> dict[str, Any]:
    name, function = item["target_deployment"]
    target = targets.get(name) if isinstance(name, str) else None
    told_later = None
    if name is None and function:
        told_later = {"function": function, "context": item.get("context") or {}}
    return {
        "id": str(uuid.uuid4()),
        "dependency_creator": item["function_identifier"],
        "target_deployment_key": target,
        "target_deployment_func": told_later,
    }


def _keys(session: Session, caller: Caller, names: set[str]) -> dict[str, int]:
    if not names:
        return {}
    query = (
        select(Deployment.id, Deployment.key)
        .where(readable(Deployment, caller), Deployment.id.in_(names))
        .order_by(Deployment.tenant_id == caller.tenant_id)  # the own tenant's is kept
    )
    return {name: key for name, key in session.execute(query)}
