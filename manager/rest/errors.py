"""Turn exceptions into the error envelope that clients map to theirs."""

import logging

from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DataError, IntegrityError

from manager.errors import BadParameters, Conflict, RequestError

logger = logging.getLogger(__name__)


def install_handlers(app: Flask) -> None:
    """Let the application answer our errors with envelopes; unknown URLs keep Werkzeug's pages."""
    app.register_error_handler(RequestError, _answer)
    app.register_error_handler(DataError, _answer_unstorable)
    app.register_error_handler(IntegrityError, _answer_collision)
    app.register_error_handler(500, _answer_unexpected)


def _answer(error: RequestError) -> ResponseReturnValue:
    body = {"error_code": error.code, "message": str(error), "server_traceback": None}
    headers = {"Retry-After": "2"} if error.status == 503 else {}
    return body, error.status, headers


def _answer_unstorable(error: DataError) -> ResponseReturnValue:
    # For instance a NUL character: JSON has it, PostgreSQL's text has not.
    reason = str(error.orig).splitlines()[0]
    return _answer(BadParameters(f"The request has a value that cannot be stored: {reason}"))


def _answer_collision(error: IntegrityError) -> ResponseReturnValue:
    # Two requests at once: one made, or removed, what the other had looked for.
    logger.warning("%s %s collided: %s", request.method, request.path, error.orig)
    return _answer(Conflict("Another request has changed what this one is about: repeat it"))


def _answer_unexpected(error: Exception) -> ResponseReturnValue:
    # Flask has logged the traceback; a client learns nothing of our insides.
    logger.error("%s %s failed", request.method, request.path)
    body = {
        "error_code": "internal_server_error",
        "message": "Internal error: the manager's log has the details",
        "server_traceback": None,
    }
    return body, 500
