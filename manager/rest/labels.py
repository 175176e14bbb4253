"""/labels: the keys and values of labels that are in use."""

from typing import Any

from flask import Blueprint
from sqlalchemy import select

from manager.rest.arguments import flag_argument, number
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import PAGE_SIZE, Body, paged
from manager.services.labels import RESERVED
from manager.storage import models
from manager.storage.scope import readable

blueprint = Blueprint("labels", __name__)

_OWNERS: dict[str, tuple[Any, Any, str]] = {
    "deployments": (models.DeploymentLabel, models.Deployment, "deployment_key"),
    "blueprints": (models.BlueprintLabel, models.Blueprint, "blueprint_key"),
}
_KIND = "<any(deployments, blueprints):kind>"


@blueprint.get(f"/labels/{_KIND}")
@authorize("labels_list")
def get_keys(kind: str) -> Body | list[Body]:
    """Answer the keys in use, or with `_reserved` those that have a meaning to the manager."""
    found = list(RESERVED) if flag_argument("_reserved") else _distinct(kind, "name")
    return _page(found)


@blueprint.get(f"/labels/{_KIND}/<key>")
@authorize("labels_list")
def get_values(kind: str, key: str) -> Body | list[Body]:
    """Answer the values in use with a key."""
    return _page(_distinct(kind, "value", key=key))


def _distinct(kind: str, column_name: str, key: str | None = None) -> list[str]:
    label, owner, owner_column = _OWNERS[kind]
    caller().require_tenant()
    column = getattr(label, column_name)
    query = (
        select(column)
        .join(owner, owner.key == getattr(label, owner_column))
        .where(readable(owner, caller()))
        .distinct()
        .order_by(column)
    )
    if key is not None:
        query = query.where(label.name == key)
    return list(session().scalars(query))


def _page(found: list[Any]) -> Body | list[Body]:
    size, offset = number("_size", PAGE_SIZE), number("_offset", 0)
    return paged(found[offset : offset + size], total=len(found), size=size, offset=offset)
