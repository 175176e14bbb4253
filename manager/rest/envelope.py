"""The forms that replies have in common: lists, fields asked for, times."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import g, request

from manager.errors import BadParameters, NoSuchIncludeField

Body = dict[str, Any]
T = TypeVar("T")

_PAGE_SIZE = 1000


def listing(items: Sequence[T], serialise: Callable[[T], Body]) -> Body | list[Body]:
    """Return the page of `items` that the request asks for; API v1 has bare arrays."""
    size, offset = _number("_size", _PAGE_SIZE), _number("_offset", 0)
    page = [included(serialise(item)) for item in items[offset : offset + size]]
    if g.get("api_version") == "v1":
        return page
    pagination = {"total": len(items), "size": size, "offset": offset}
    return {"metadata": {"pagination": pagination, "filtered": None}, "items": page}


def included(item: Body) -> Body:
    """Return the fields of `item` that `_include` names, or all."""
    wanted = request.args.get("_include")
    if not wanted:
        return item
    names = [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in item]:
        raise NoSuchIncludeField(
            f"Include keys '{unknown}' do not exist. Allowed keys are: {list(item)}"
        )
    return {name: item[name] for name in names}


def timestamp(moment: datetime | None) -> str | None:
    """Return a time as clients expect it: UTC, milliseconds, Z."""
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def json_object() -> Body:
    """Return the request's body; raises BadParameters unless it is a JSON object."""
    body = request.get_json(silent=True, force=True)
    if not isinstance(body, dict):
        raise BadParameters("The request body is not a JSON object")
    return body


def flag(value: object) -> bool:
    """Return a boolean that the client may have spelt as a string."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "1", "0", ""):
        return value.lower() in ("true", "yes", "1")
    raise BadParameters(f"{value!r} is not a boolean")


def _number(name: str, default: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadParameters(f"{name} is not a number from 0 upwards: {text!r}")
    return int(text)
