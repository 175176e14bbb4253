"""GET /status: the state of this manager's services."""

from flask import Blueprint

from manager.rest.auth import authorize
from manager.rest.context import services
from manager.rest.envelope import Body

blueprint = Blueprint("status", __name__)


@blueprint.get("/status")
@authorize("status_get")
def get_status() -> Body:
    """Answer the state of each service of this manager."""
    return services().status.status()
