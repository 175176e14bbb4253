"""/summary: how many of a resource there are, by one field and perhaps a second."""

from dataclasses import dataclass

from flask import Blueprint, request
from sqlalchemy import func

from manager.errors import BadParameters
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, paged
from manager.rest.list_query import conditions, list_query
from manager.storage.scope import readable
from manager.storage.view import View
from manager.storage.views.deployments import DEPLOYMENTS
from manager.storage.views.nodes import INSTANCES, NODES
from manager.storage.views.summaries import BLUEPRINT_SUMMARY, EXECUTION_SUMMARY

blueprint = Blueprint("summary", __name__)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is counted, and by which fields it may be."""

    view: View
    permission: str
    fields: tuple[str, ...]


_COMMON = ("tenant_name", "visibility")
SUMMARIES = {
    "deployments": Summary(
        DEPLOYMENTS,
        "deployment_list",
        ("blueprint_id", "site_name", "deployment_status", "installation_status", *_COMMON),
    ),
    "nodes": Summary(NODES, "node_list", ("deployment_id", *_COMMON)),
    "node_instances": Summary(
        INSTANCES,
        "node_instance_list",
        ("deployment_id", "index", "node_id", "state", "host_id", *_COMMON),
    ),
    "executions": Summary(
        EXECUTION_SUMMARY,
        "execution_list",
        ("status", "status_display", "blueprint_id", "deployment_id", "workflow_id", *_COMMON),
    ),
    "blueprints": Summary(BLUEPRINT_SUMMARY, "blueprint_list", _COMMON),
}


@blueprint.get(f"/summary/<any({', '.join(SUMMARIES)}):kind>")
@authorize()
def get_summary(kind: str) -> Body | list[Body]:
    """Answer counts by `_target_field`, within these by `_sub_field`."""
    summary = SUMMARIES[kind]
    caller().require(summary.permission)
    names = [_field(summary, "_target_field")]
    if request.args.get("_sub_field"):
        names.append(_field(summary, "_sub_field"))
    items = _items(kind, names, _counts(summary.view, names))
    size = len(items) if (wanted := list_query().size) is None else wanted
    offset = list_query().offset
    return paged(items[offset : offset + size], total=len(items), size=size, offset=offset)


def _field(summary: Summary, parameter: str) -> str:
    name = request.args.get(parameter)
    if name not in summary.fields:
        raise BadParameters(
            f"Invalid summary field: {name}. Allowed values: {', '.join(summary.fields)}"
        )
    return name


def _counts(view: View, names: list[str]) -> list[tuple[object, ...]]:
    query = list_query()
    if not query.all_tenants:
        caller().require_tenant()
    columns = [view.fields[name] for name in names]
    statement = (
        view.query(names)
        .with_only_columns(*columns, func.count(), maintain_column_froms=True)
        .where(readable(view.model, caller(), all_tenants=query.all_tenants))
        .where(*conditions(view, query))
        .group_by(*columns)
        .order_by(*columns)
    )
    return [tuple(row) for row in session().execute(statement)]


def _items(kind: str, names: list[str], counts: list[tuple[object, ...]]) -> list[Body]:
    target, *sub = names
    items: dict[object, Body] = {}
    for value, *rest in counts:
        item = items.setdefault(value, {target: value, kind: 0})
        item[kind] += rest[-1]
        for name in sub:
            item.setdefault(f"by {name}", []).append({name: rest[0], kind: rest[-1]})
    return list(items.values())
