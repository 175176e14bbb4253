"""GET /version: what this manager is."""

from flask import Blueprint

from manager import EDITION, VERSION
from manager.rest.auth import authorize
from manager.rest.envelope import Body
from manager.services.host import distribution

blueprint = Blueprint("version", __name__)


@blueprint.get("/version")
@authorize("version_get")
def get_version() -> Body:
    """Answer the version of the contract, and the distribution underneath."""
    name, release = distribution()
    return {
        "edition": EDITION,
        "version": VERSION,
        "build": None,
        "date": None,
        "commit": None,
        "distribution": name,
        "distro_release": release,
    }
