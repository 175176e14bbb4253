"""GET /ok: one word for load balancers and monitors, without credentials."""

from flask import Blueprint

from manager.rest.context import services

blueprint = Blueprint("ok", __name__)


@blueprint.get("/ok")
def get_ok() -> tuple[str, int]:
    """Answer OK, or FAIL when one of this manager's services is down."""
    healthy = services().status.status()["status"] == "OK"
    return ("OK", 200) if healthy else ("FAIL", 500)
