"""Lists of what is few and no resource of a tenant: users, groups, tenants, permissions."""

from collections.abc import Sequence
from typing import Any

from flask import request

from manager.errors import BadParameters
from manager.rest.arguments import flag_argument, number
from manager.rest.envelope import PAGE_SIZE, Body, included, paged


def plain_list(items: Sequence[Body], *, searched: str) -> Body | list[Body]:
    """Answer the items that the request filters for, in its order, one page of them.

    `_search` looks into the field `searched`.
    """
    names = list(items[0]) if items else []
    found = [item for item in items if _matches(item, searched)]
    for name in reversed(request.args.getlist("_sort")):
        field = name.lstrip("+-")
        if names and field not in names:
            raise BadParameters(f"There is no field {field!r} to sort by")
        found.sort(key=lambda item: _sort_key(item[field]), reverse=name.startswith("-"))
    size = len(found) if flag_argument("_get_all_results") else number("_size", PAGE_SIZE)
    offset = number("_offset", 0)
    page = [included(item) for item in found[offset : offset + size]]
    return paged(page, total=len(found), size=size, offset=offset)


def _matches(item: Body, searched: str) -> bool:
    if request.args.get("_search", "").lower() not in str(item[searched]).lower():
        return False
    for name in request.args:
        if name.startswith("_"):
            continue
        if name not in item:
            raise BadParameters(f"There is no field {name!r} to filter by")
        if str(item[name]) not in request.args.getlist(name):
            return False
    return True


def _sort_key(value: Any) -> tuple[bool, str]:
    return value is not None, str(value)
