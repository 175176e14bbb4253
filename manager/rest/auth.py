"""Demand credentials and a permission from a request before its handler runs."""

import base64
import binascii
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g, request

from manager.errors import Unauthorized
from manager.rest.context import services
from manager.services.authentication import Credentials

P = ParamSpec("P")
R = TypeVar("R")

_TOKEN_HEADERS = (
    "Execution-Token",
    "Authentication-Token",
    "API-Authentication-Token",  # Cloudify 5.0.5's reporters
)


def authorize(
    permission: str | None = None, *, transaction: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run the handler in a database session, for callers that have the permission, if any.

    What only reads needs no transaction; a handler may say that it needs none either.
    """

    def decorate(handler: Callable[P, R]) -> Callable[P, R]:
        @wraps(handler)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            # A request without credentials is answered without the database: the load balancer
            # takes 401 on /status for a sign of life.
            credentials = request_credentials()
            is_whole = transaction and request.method != "GET"
            with services().database.session(transaction=is_whole) as session:
                g.session = session
                g.caller = services().authenticator.authenticate(session, credentials)
                if permission is not None:
                    g.caller.require(permission)
                return handler(*args, **kwargs)

        guarded.__dict__["permission"] = permission  # the API's description tells it
        return guarded

    return decorate


def request_credentials() -> Credentials:
    """Return the request's credentials; raises Unauthorized when it has none."""
    tenant = request.headers.get("Tenant")
    for header in _TOKEN_HEADERS:
        if token := request.headers.get(header):
            return Credentials(token=token, tenant=tenant)
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        raise Unauthorized("User unauthorized: No authentication info provided")
    username, password = _decoded(encoded)
    return Credentials(username=username, password=password, tenant=tenant)


def _decoded(encoded: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise Unauthorized("User unauthorized: The Authorization header is malformed")
    return username, password
