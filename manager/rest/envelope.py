"""The forms that replies have in common: lists, fields asked for, times."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import g, request

from manager.errors import BadParameters, NoSuchIncludeField
from manager.rest.arguments import number

Body = dict[str, Any]
T = TypeVar("T")

PAGE_SIZE = 1000


def listing(items: Sequence[T], serialise: Callable[[T], Body]) -> Body | list[Body]:
    """Return the page of `items` that the request asks for."""
    size, offset = number("_size", PAGE_SIZE), number("_offset", 0)
    page = [included(serialise(item)) for item in items[offset : offset + size]]
    return paged(page, total=len(items), size=size, offset=offset)


def paged(page: list[Body], *, total: int, size: int, offset: int) -> Body | list[Body]:
    """Return the envelope of a page of a list; API v1 has bare arrays."""
    if g.get("api_version") == "v1":
        return page
    pagination = {"total": total, "size": size, "offset": offset}
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
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def json_object() -> Body:
    """Return the request's body; raises BadParameters unless it is a JSON object."""
    body = request.get_json(silent=True, force=True)
    if not isinstance(body, dict):
        raise BadParameters("The request body is not a JSON object")
    return body
