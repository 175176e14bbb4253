"""Blueprints as clients see them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, literal, null, select
from sqlalchemy.orm import Session

from manager.storage.models import Blueprint, BlueprintLabel, Execution, User
from manager.storage.raw_json import passing_json
from manager.storage.view import Item, View, common_fields
from manager.storage.views.executions import OWN_FIELDS

Keys = Sequence[int]


def blueprint_labels(session: Session, keys: Keys) -> Mapping[int, list[dict[str, Any]]]:
    """Return the labels of blueprints by their keys."""
    query = (
        select(
            BlueprintLabel.blueprint_key,
            BlueprintLabel.name,
            BlueprintLabel.value,
            BlueprintLabel.created_at,
            User.username,
        )
        .join(User, User.id == BlueprintLabel.creator_id)
        .where(BlueprintLabel.blueprint_key.in_(keys))
        .order_by(BlueprintLabel.key)
    )
    found = defaultdict(list)
    for key, name, value, created_at, creator in session.execute(query):
        found[key].append(
            {"key": name, "value": value, "created_at": created_at, "created_by": creator}
        )
    return found


_EXECUTION_FIELDS = {
    "key": Execution.key,
    "created_at": Execution.created_at,
    "visibility": Execution.visibility,
    "id": Execution.id,
    **OWN_FIELDS,
    "blueprint_id": null(),  # of the deployment, and an upload has none
    "execution_group_id": literal("[]"),
    "deployment_display_name": null(),
    "deployment_id": null(),
    "status_display": case((Execution.status == "terminated", "completed"), else_=Execution.status),
    **{
        name: column
        for name, column in common_fields(Execution).items()
        if name not in ("created_at", "id", "visibility")
    },
}
_UPLOADS = View(name="Execution", model=Execution, fields=_EXECUTION_FIELDS)


def upload_executions(session: Session, keys: Keys) -> Mapping[int, Item]:
    """Return the executions that made blueprints, by the blueprints' keys."""
    pairs = session.execute(
        select(Blueprint.key, Blueprint.upload_execution_key).where(
            Blueprint.key.in_(keys), Blueprint.upload_execution_key.is_not(None)
        )
    ).all()
    query = _UPLOADS.query(_UPLOADS.names).where(
        Execution.key.in_({execution_key for _, execution_key in pairs})
    )
    found = {item.pop("key"): item for item in _UPLOADS.items(session, query)}
    return {key: found[execution_key] for key, execution_key in pairs}


_FIELDS = {
    "created_at": Blueprint.created_at,
    "id": Blueprint.id,
    "visibility": Blueprint.visibility,
    "main_file_name": Blueprint.main_file_name,
    "plan_p": null(),
    "plan": Blueprint.plan,
    "requirements": Blueprint.requirements,
    "updated_at": Blueprint.updated_at,
    "description": Blueprint.description,
    "is_hidden": Blueprint.is_hidden,
    "state": Blueprint.state,
    "error": Blueprint.error,
    "error_traceback": Blueprint.error_traceback,
    **common_fields(Blueprint),
}

BLUEPRINTS = passing_json(
    View(
        name="Blueprint",
        model=Blueprint,
        fields=_FIELDS,
        loaded={"labels": blueprint_labels, "upload_execution": upload_executions},
        defaults={"upload_execution": lambda: None},
        searched=(Blueprint.id, Blueprint.description),
        order=(Blueprint.created_at,),
    )
)
