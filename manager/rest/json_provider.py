"""JSON by orjson: lists of a thousand items are most of what the service writes."""

import json
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
        return _dump(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """Return what JSON text says."""
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return a response with `args` or `kwargs` as its body."""
        body = _dump(self._prepare_response_obj(args, kwargs))
        return Response(body, mimetype="application/json")


def _dump(value: object) -> bytes:
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except orjson.JSONEncodeError:  # a number beyond 64 bits, which workflows may have stored
        return json.dumps(value, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return timestamp(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
