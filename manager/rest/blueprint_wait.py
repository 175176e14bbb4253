"""Wait for a blueprint's upload on behalf of clients that want one answer for the whole of it."""

import time

from cloudify.models_states import BlueprintUploadState as State
from flask import g

from manager.errors import InvalidBlueprint
from manager.rest.context import caller, services
from manager.rest.envelope import Body
from manager.rest.views import one_of
from manager.storage.views.blueprints import BLUEPRINTS

_TIMEOUT_S = 300  # nginx gives up after 330
_INTERVAL_S = 0.25


def wait_until_uploaded(blueprint_id: str) -> Body:
    """Return the blueprint once it is parsed, or as it is when that takes too long.

    Raises InvalidBlueprint with the reason when it cannot be used.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        item = _read(blueprint_id)
        if item["state"] in State.FAILED_STATES:
            raise InvalidBlueprint(item["error"] or f"The blueprint's state is {item['state']}")
        if item["state"] == State.UPLOADED or time.monotonic() > deadline:
            return item
        time.sleep(_INTERVAL_S)  # a worker, perhaps of another manager, changes the row


def _read(blueprint_id: str) -> Body:
    """Read it in a session of its own: none is kept open while nothing happens."""
    with services().database.session() as session:
        g.session = session
        g.caller = caller()
        return one_of(BLUEPRINTS, blueprint_id)
