"""/searches: lists of resources by filter rules or by constraints of the DSL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, request
from sqlalchemy import ColumnElement, func, select

from manager.errors import BadParameters
from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object, paged
from manager.rest.views import listing_of
from manager.rest.workflows import workflows_of
from manager.services.resources import find
from manager.storage.filter_rules import constraint_conditions, rule_conditions
from manager.storage.models import Deployment, Node
from manager.storage.scope import readable
from manager.storage.view import View
from manager.storage.views.blueprints import BLUEPRINTS
from manager.storage.views.deployments import DEPLOYMENTS
from manager.storage.views.nodes import INSTANCES, NODES
from manager.storage.views.secrets import SECRETS

blueprint = Blueprint("searches", __name__)


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched, who may, and which field its constraints are about."""

    view: View
    permission: str
    name: str = "id"


SEARCHES = {
    "deployments": Search(DEPLOYMENTS, "deployment_list"),
    "blueprints": Search(BLUEPRINTS, "blueprint_list"),
    "nodes": Search(NODES, "node_list"),
    "node-instances": Search(INSTANCES, "node_instance_list"),
    "secrets": Search(SECRETS, "secret_list", "key"),
}


def _add_search(kind: str, searched: Search) -> None:
    @authorize(searched.permission)
    def search() -> Body | list[Body]:
        """Answer the page of a list that rules or constraints select."""
        return listing_of(searched.view, *_conditions(searched.view, searched.name))

    endpoint = f"search_{kind.replace('-', '_')}"
    blueprint.add_url_rule(f"/searches/{kind}", endpoint, search, methods=["POST"])


for _kind, _searched in SEARCHES.items():
    _add_search(_kind, _searched)


@blueprint.post("/searches/workflows")
@authorize("deployment_list")
def search_workflows() -> Body | list[Body]:
    """Answer the workflows of the deployments that rules or constraints select."""
    return workflows_of(*_conditions(DEPLOYMENTS, "id"))


@blueprint.post("/searches/node-types")
@authorize("node_list")
def search_node_types() -> Body | list[Body]:
    """Answer the types of a deployment's nodes."""
    deployment_id = _deployment_id()
    deployment = find(session(), caller(), Deployment, deployment_id)
    query = (
        select(func.min(Node.id), Node.type)
        .where(readable(Node, caller()), Node.deployment_key == deployment.key)
        .group_by(Node.type)
        .order_by(Node.type)
    )
    text = request.args.get("_search")
    if text:
        query = query.where(Node.type.icontains(text, autoescape=True))
    return _all(
        [
            {"id": node_id, "deployment_id": deployment_id, "type": node_type}
            for node_id, node_type in session().execute(query)
        ]
    )


@blueprint.post("/searches/capabilities")
@authorize("deployment_list")
def search_capabilities() -> Body | list[Body]:
    """Answer the capabilities of a deployment, as its blueprint defines them."""
    found = find(session(), caller(), Deployment, _deployment_id())
    capabilities = _named(found.capabilities)
    return _all([{"deployment_id": found.id, "capabilities": capabilities}] if capabilities else [])


@blueprint.post("/searches/scaling-groups")
@authorize("deployment_list")
def search_scaling_groups() -> Body | list[Body]:
    """Answer the scaling groups of a deployment."""
    found = find(session(), caller(), Deployment, _deployment_id())
    groups = _named(found.scaling_groups).items()
    return _all([{"deployment_id": found.id, "name": name, **group} for name, group in groups])


def _conditions(view: View, name: str) -> list[ColumnElement[bool]]:
    body = json_object()
    rules, constraints = body.get("filter_rules"), body.get("constraints")
    if rules and constraints:
        raise BadParameters("Provide either `filter_rules` or `constraints`, not both")
    found = list(rule_conditions(view, rules or []))
    return [*found, *constraint_conditions(view, constraints or {}, name)]


def _constraints() -> Mapping[str, Any]:
    constraints = json_object().get("constraints") or {}
    if not isinstance(constraints, Mapping):
        raise BadParameters("`constraints` must be an object")
    return constraints


def _deployment_id() -> str:
    found = request.args.get("deployment_id") or _constraints().get("deployment_id")
    if not isinstance(found, str):
        raise BadParameters("You should provide `deployment_id` when searching for parts of one")
    return found


def _named(documents: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the documents whose name has the text that the request searches."""
    text = (request.args.get("_search") or "").lower()
    return {name: one for name, one in (documents or {}).items() if text in name.lower()}


def _all(items: list[Body]) -> Body | list[Body]:
    return paged(items, total=len(items), size=len(items), offset=0)
