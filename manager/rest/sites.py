"""/sites: places where deployments are."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import caller, session
from manager.rest.envelope import Body, json_object
from manager.rest.views import listing_of, one_of
from manager.services.resources import check_id
from manager.services.sites import (
    SiteChange,
    create_site,
    delete_site,
    parse_location,
    update_site,
)
from manager.services.visibility import parse_visibility
from manager.storage.views.sites import SITES

blueprint = Blueprint("sites", __name__)


@blueprint.get("/sites")
@authorize("site_list")
def get_all() -> Body | list[Body]:
    """Answer sites."""
    return listing_of(SITES)


@blueprint.get("/sites/<name>")
@authorize("site_get")
def get_one(name: str) -> Body:
    """Answer a site."""
    return one_of(SITES, name)


@blueprint.put("/sites/<name>")
@authorize("site_create")
def create(name: str) -> Body:
    """Create a site."""
    body = json_object()
    visibility = _visibility(body)
    create_site(session(), caller(), name, parse_location(body.get("location")), visibility)
    return one_of(SITES, name)


@blueprint.post("/sites/<name>")
@authorize("site_update")
def update(name: str) -> Body:
    """Change a site's location, name or visibility."""
    body = json_object()
    new_name = body.get("new_name")
    change = SiteChange(
        location=parse_location(body["location"]) if "location" in body else None,
        new_name=None if new_name is None else check_id("new_name", new_name),
        visibility=_visibility(body),
    )
    return one_of(SITES, update_site(session(), caller(), name, change))


@blueprint.delete("/sites/<name>")
@authorize("site_delete")
def delete(name: str) -> tuple[str, int]:
    """Delete a site."""
    delete_site(session(), caller(), name)
    return "", 204


def _visibility(body: Body) -> str | None:
    value = body.get("visibility")
    return None if value is None else parse_visibility(value)
