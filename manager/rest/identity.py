"""GET /idp and /ldap: who knows the users; here it is always the manager itself."""

from flask import Blueprint, Response, jsonify

from manager.errors import MissingPremium
from manager.rest.auth import authorize

blueprint = Blueprint("identity", __name__)


@blueprint.get("/idp")
@authorize("identity_provider_get")
def get_provider() -> Response:
    """Answer that users are the manager's own."""
    return jsonify("local")


@blueprint.get("/ldap")
@authorize("ldap_status_get")
def get_ldap() -> Response:
    """Answer that no directory is asked."""
    return jsonify("disabled")


@blueprint.post("/ldap")
@authorize("ldap_set")
def set_ldap() -> Response:
    """Refuse: users of a directory are not supported."""
    raise MissingPremium
