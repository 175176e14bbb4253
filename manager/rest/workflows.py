"""/workflows: the workflows that deployments have."""

from flask import Blueprint, request
from sqlalchemy import ColumnElement

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, paged
from manager.rest.list_query import conditions, list_query
from manager.storage.scope import readable
from manager.storage.views.deployment_parts import workflow_lists
from manager.storage.views.deployments import DEPLOYMENTS

blueprint = Blueprint("workflows", __name__)


@blueprint.get("/workflows")
@authorize("deployment_list")
def get_all() -> Body | list[Body]:
    """Answer the workflows of the deployments that the parameters select, each name once."""
    return workflows_of()


def workflows_of(*where: ColumnElement[bool]) -> Body | list[Body]:
    """Answer the workflows of the deployments that the request and `where` select."""
    query = list_query()
    if not query.all_tenants:
        caller().require_tenant()
    statement = (
        DEPLOYMENTS.query(["id"])
        .where(readable(DEPLOYMENTS.model, caller(), all_tenants=query.all_tenants), *where)
        .where(*conditions(DEPLOYMENTS, query))
        .order_by(DEPLOYMENTS.model.key)
    )
    keys = [row[0] for row in session().execute(statement)]
    found: dict[str, Body] = {}
    for workflows in workflow_lists(session(), keys).values():
        for workflow in workflows:
            found.setdefault(workflow["name"], workflow)
    name = request.args.get("_search_name")
    items = [one for key, one in found.items() if not name or name in key]
    return paged(items, total=len(items), size=len(items), offset=0)
