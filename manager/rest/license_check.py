"""GET /license-check: the runtime is free software, so the answer is always yes."""

from flask import Blueprint, Response, jsonify

from manager.rest.auth import authorize

blueprint = Blueprint("license_check", __name__)


@blueprint.get("/license-check")
@authorize("license_check")
def get_license_check() -> Response:
    """Answer that nothing is missing."""
    return jsonify("OK")
