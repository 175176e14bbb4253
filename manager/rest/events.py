"""/events: what executions report, events and log lines in one list."""

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import delete as delete_rows
from sqlalchemy import select

from manager.errors import BadParameters, NotFound
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.event_query import event_conditions, event_order
from manager.rest.list_query import list_query
from manager.services.event_store import Sender, event_rows, store_events
from manager.services.resources import find_to_change
from manager.storage.models import Deployment, Event
from manager.storage.scope import readable
from manager.storage.view import count
from manager.storage.views.events import event_items, event_query, joined

blueprint = Blueprint("events", __name__)

_MAX_EVENTS_BYTES = 64 * 1024 * 1024


@blueprint.get("/events")
@authorize("event_list")
def get_all() -> Body | list[Body]:
    """Answer a page of events and log lines, by default in the order in which they came."""
    query = list_query()
    if not query.all_tenants:
        caller().require_tenant()
    statement = event_query().where(
        readable(Event, caller(), all_tenants=query.all_tenants),
        *event_conditions(query, request.args),
    )
    page = statement.order_by(*event_order(query)).limit(query.size).offset(query.offset)
    items = list(event_items(session(), page, query.include))
    total = query.offset + len(items)
    if query.size is not None and (len(items) >= query.size or (query.offset and not items)):
        total = count(session(), statement)
    size = len(items) if query.size is None else query.size
    pagination = {"size": size, "offset": query.offset, "total": total}
    return {"metadata": {"pagination": pagination}, "items": items}


@blueprint.post("/events")
@authorize("event_create", transaction=False)
def create() -> tuple[Response, int]:
    """Store events and log lines of an execution."""
    request.max_content_length = _MAX_EVENTS_BYTES
    body = json_object()
    rows = list(event_rows(body.get("events"), body.get("logs")))
    execution_id = body.get("execution_id")
    if not isinstance(execution_id, str):
        raise BadParameters("execution_id is missing")
    sender = Sender(_name(body.get("manager_name")), _name(body.get("agent_name")))
    if not rows:
        return Response(), 204
    if not store_events(session(), caller().require_tenant(), execution_id, rows, sender):
        raise NotFound.of("Execution", execution_id)
    return jsonify(None), 201


@blueprint.delete("/events")
@authorize("event_delete")
def delete() -> Body:
    """Delete a deployment's events and answer how many they were."""
    deployment_id = request.args.get("deployment_id")
    if not deployment_id:
        raise BadParameters("deployment_id is missing")
    find_to_change(session(), caller(), Deployment, deployment_id)
    doomed = joined(select(Event.key)).where(
        Event.tenant_id == caller().require_tenant(),
        *event_conditions(list_query(), request.args),
    )
    found = session().execute(delete_rows(Event).where(Event.key.in_(doomed)))
    deleted = int(found.rowcount)  # type: ignore[attr-defined]
    pagination = {"size": deleted, "offset": 0, "total": deleted}
    return {"metadata": {"pagination": pagination}, "items": [deleted]}


def _name(value: object) -> str | None:
    return None if value is None else str(value).replace("\0", "")
