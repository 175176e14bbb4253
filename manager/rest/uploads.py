"""Take the body of a request to disk before its handler runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge

from manager.errors import TooLarge
from manager.files.tree import FileTree
from manager.files.upload import Upload, received
from manager.rest.auth import request_credentials
from manager.rest.context import services

P = ParamSpec("P")
R = TypeVar("R")

_FORM_BYTES = 2 * 1024**2  # what a form has beside its file


def takes_upload(
    permission: str,
) -> Callable[[Callable[Concatenate[Upload, P], R]], Callable[P, R]]:
    """Run the handler with what the request brought, for callers that have the permission.

    While the body comes, which may take minutes, no database connection is held.
    """

    def decorate(handler: Callable[Concatenate[Upload, P], R]) -> Callable[P, R]:
        @wraps(handler)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            database, credentials = services().database, request_credentials()
            with database.session() as session:
                g.caller = services().authenticator.authenticate(session, credentials)
                g.caller.require(permission)
            with request_upload() as upload, database.session() as session:
                g.session = session
                return handler(upload, *args, **kwargs)

        guarded.__dict__["permission"] = permission  # the API's description tells it
        return guarded

    return decorate


@contextmanager
def request_upload() -> Iterator[Upload]:
    """Give the request's body as a file; raises TooLarge beyond the limit of manager.yaml."""
    settings = services().settings
    limit = settings.files.max_upload_mb * 1024**2
    request.max_content_length = limit + _FORM_BYTES
    incoming = FileTree(settings.paths.resources).incoming
    try:
        stream = request.stream
        with received(stream, request.content_type or "", incoming, limit) as upload:
            yield upload
    except RequestEntityTooLarge as error:
        raise TooLarge(f"The upload is larger than {limit} bytes") from error
