"""/license and /contacts: the runtime is free software, so there is no licence to manage."""

from flask import Blueprint, Response, jsonify

from manager.errors import MissingPremium, NoOutsideService
from manager.rest.auth import authorize

blueprint = Blueprint("license", __name__)


@blueprint.get("/license-check")
@authorize("license_check")
def check() -> Response:
    """Answer that nothing is missing."""
    return jsonify("OK")


@blueprint.get("/license")
@authorize("license_list")
def get_license() -> Response:
    """Refuse: there is none."""
    raise MissingPremium


@blueprint.put("/license")
@authorize("license_upload")
def put_license() -> Response:
    """Refuse: none is needed."""
    raise MissingPremium


@blueprint.delete("/license")
@authorize("license_remove")
def delete_license() -> Response:
    """Refuse: there is none."""
    raise MissingPremium


@blueprint.post("/license")
@authorize("license_upload")
def register() -> Response:
    """Refuse: no customer needs to be known."""
    raise MissingPremium


@blueprint.post("/contacts")
@authorize("community_contact_create")
def create_contact() -> Response:
    """Refuse to send a person's data away: nobody is told who uses the manager."""
    raise NoOutsideService
