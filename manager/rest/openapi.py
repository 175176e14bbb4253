"""GET /openapi.json: the API's description, made of its routes, permissions and views."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, current_app
from sqlalchemy import Boolean, DateTime, Float, Integer, Text
from werkzeug.routing import Rule

from manager import VERSION
from manager.rest.auth import authorize
from manager.rest.envelope import Body
from manager.rest.request_bodies import request_bodies
from manager.storage.view import View

blueprint = Blueprint("openapi", __name__)

Handler = Callable[..., Any]

_BASE = "/api/v3.1"
_ELSEWHERE = ("file_server",)  # serves files to nginx's sub-requests; clients never ask it
_TYPES = (
    (Boolean, {"type": "boolean"}),
    (DateTime, {"type": "string", "format": "date-time"}),
    (Integer, {"type": "integer"}),
    (Float, {"type": "number"}),
    (Text, {"type": "string"}),
)
_LIST_PARAMETERS = {
    "_size": {"type": "integer", "minimum": 0},
    "_offset": {"type": "integer", "minimum": 0},
    "_sort": {"type": "string"},
    "_include": {"type": "string"},
    "_search": {"type": "string"},
    "_all_tenants": {"type": "boolean"},
    "_get_all_results": {"type": "boolean"},
}
_TENANT = {"name": "Tenant", "in": "header", "schema": {"type": "string"}}
_ERROR = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "server_traceback": {"type": "null"},
    },
}


@blueprint.get("/openapi.json")
@authorize("version_get")
def get_description() -> Body:
    """Answer this description."""
    return description()


def description() -> Body:
    """Return the description of the routes below /api/v3.1 as OpenAPI 3.1."""
    paths: dict[str, Body] = {}
    for rule in sorted(current_app.url_map.iter_rules(), key=str):
        handler = inspect.unwrap(current_app.view_functions[rule.endpoint])
        if not rule.rule.startswith(f"{_BASE}/") or _module(handler) in _ELSEWHERE:
            continue
        operations = paths.setdefault(_path(rule), {})
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            operations[method.lower()] = _operation(rule, method, handler)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Cloudify Manager", "version": VERSION},
        "servers": [{"url": _BASE}],
        "security": [{"basic": []}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "apiKey", "in": "header", "name": "Authentication-Token"},
            },
        },
    }


def _operation(rule: Rule, method: str, handler: Handler) -> Body:
    permission = current_app.view_functions[rule.endpoint].__dict__.get("permission")
    view = _view(handler)
    operation: Body = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{_path(rule)}").strip("_"),
        "tags": [_module(handler)],
        "summary": (inspect.getdoc(handler) or "").partition("\n")[0],
        "x-permission": permission,
        "parameters": [*_path_parameters(rule), *_query_parameters(handler, view), _TENANT],
        "responses": {
            "2XX": {"description": "Done", **_reply(handler, view)},
            "default": {
                "description": "Refused",
                "content": _json({"$ref": "#/components/schemas/Error"}),
            },
        },
    }
    body = request_bodies().get((method, re.sub(r"{[^}]*}", "{}", _path(rule))))
    if body is not None:
        operation["requestBody"] = {"content": _json(body)}
    return operation


def _path(rule: Rule) -> str:
    return re.sub(r"<(?:.*?:)?(\w+)>", r"{\1}", rule.rule.removeprefix(_BASE))


def _path_parameters(rule: Rule) -> Iterator[Body]:
    for converters, name in re.findall(r"<(.*?:)?(\w+)>", rule.rule):
        choices = re.findall(r"[\w-]+", converters.partition("(")[2])
        schema = {"enum": choices} if choices else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(handler: Handler, view: View | None) -> Iterator[Body]:
    if not _is_list(handler) or view is None:
        return
    for name, schema in _LIST_PARAMETERS.items():
        yield {"name": name, "in": "query", "schema": schema}
    for name, column in view.fields.items():
        if schema := _type(column):
            yield {"name": name, "in": "query", "schema": schema}


def _reply(handler: Handler, view: View | None) -> Body:
    if view is None:
        return {}
    item = {"type": "object", "properties": {name: _nullable(view, name) for name in view.names}}
    if not _is_list(handler):
        return {"content": _json(item)}
    envelope = {
        "type": "object",
        "required": ["metadata", "items"],
        "properties": {
            "metadata": {"type": "object"},
            "items": {"type": "array", "items": item},
        },
    }
    return {"content": _json(envelope)}


def _nullable(view: View, name: str) -> Body:
    schema = _type(view.fields[name]) if name in view.fields else None
    return {**schema, "type": [schema["type"], "null"]} if schema else {}


def _type(column: Any) -> Body | None:
    """Return the schema of a column, or None when any JSON may be in it."""
    return next((dict(schema) for kind, schema in _TYPES if isinstance(column.type, kind)), None)


def _view(handler: Handler) -> View | None:
    """Return the view that a handler answers with: the first one that its code names."""
    found = (handler.__globals__.get(name) for name in handler.__code__.co_names)
    return next((value for value in found if isinstance(value, View)), None)


def _is_list(handler: Handler) -> bool:
    return "listing_of" in handler.__code__.co_names


def _module(handler: Handler) -> str:
    return handler.__module__.rpartition(".")[2]


def _json(schema: Body) -> Body:
    return {"application/json": {"schema": schema}}
