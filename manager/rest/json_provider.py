"""JSON by orjson: lists of a thousand items are most of what the service writes."""

from datetime import datetime
from typing import Any

import orjson
from flask.json.provider import JSONProvider
from werkzeug.wrappers import Response

from manager.rest.envelope import timestamp

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


class OrjsonProvider(JSONProvider):
    """Times become what clients expect: UTC, milliseconds, Z."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        """Return `obj` as JSON text."""
        return orjson.dumps(obj, default=_plain, option=_OPTIONS).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Return what JSON text says."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a response with `args` or `kwargs` as its body."""
        body = orjson.dumps(
            self._prepare_response_obj(args, kwargs), default=_plain, option=_OPTIONS
        )
        return Response(body, mimetype="application/json")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return timestamp(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
