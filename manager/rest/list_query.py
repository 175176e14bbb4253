"""What the query string of a list asks for: page, order, fields, filters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from sqlalchemy import Boolean, ColumnElement, DateTime, Float, Integer, Text, or_
from sqlalchemy.dialects.postgresql import JSONB
from werkzeug.datastructures import MultiDict

from manager.errors import BadParameters, NoSuchIncludeField
from manager.rest.arguments import flag, flag_argument, moment, number
from manager.rest.envelope import PAGE_SIZE
from manager.storage.raw_json import RawJson
from manager.storage.view import View

_MAX_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """A list's parameters; every name without an underscore in front is a filter."""

    size: int | None  # None: everything
    offset: int
    include: tuple[str, ...] | None
    sort: tuple[str, ...]
    search: str | None
    search_name: str | None
    all_tenants: bool
    filters: tuple[tuple[str, tuple[str, ...]], ...]


def list_query(*, besides: Iterable[str] = ()) -> ListQuery:
    """Return what the request asks for; `besides` are parameters that the handler reads itself."""
    arguments = request.args
    if arguments.get("_filter_id"):  # to ignore it would show what the filter hides
        raise BadParameters("Stored filters are not supported: give their rules to /searches")
    everything = flag_argument("_get_all_results")
    return ListQuery(
        size=None if everything else number("_size", PAGE_SIZE),
        offset=number("_offset", 0),
        include=included_names(arguments),
        sort=tuple(name for value in arguments.getlist("_sort") for name in value.split(",")),
        search=arguments.get("_search") or None,
        search_name=arguments.get("_search_name") or None,
        all_tenants=flag_argument("_all_tenants"),
        filters=tuple(_filters(arguments, frozenset(besides))),
    )


def included_names(arguments: "MultiDict[str, str]") -> tuple[str, ...] | None:
    """Return the fields that `_include` names, or None for all."""
    wanted = arguments.get("_include")
    return tuple(name.strip() for name in wanted.split(",")) if wanted else None


def wanted_names(view: View, include: Sequence[str] | None) -> list[str]:
    """Return the fields to read; raises NoSuchIncludeField for one that the view lacks."""
    if include is None:
        return view.names
    if unknown := [name for name in include if name not in view.names]:
        raise NoSuchIncludeField(
            f"Include keys '{unknown}' do not exist. Allowed keys are: {view.names}"
        )
    return list(dict.fromkeys(include))


def conditions(view: View, query: ListQuery) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the filters and searches; raises BadParameters for an unknown one."""
    for name, values in query.filters:
        column = _column(view, name)
        parsed = [_value(name, column, value) for value in values]
        yield column == parsed[0] if len(parsed) == 1 else column.in_(parsed)
    searches = [(query.search, view.searched or (view.model.id,))]
    if "display_name" in view.fields:
        searches.append((query.search_name, (view.fields["display_name"],)))
    for text, columns in searches:
        if text:
            yield or_(*(column.icontains(text, autoescape=True) for column in columns))


def ordering(view: View, query: ListQuery) -> list[Any]:
    """Return how to sort; ties are broken by the order of creation, so that pages never overlap."""
    wanted = []
    for name in query.sort:
        column = _column(view, name.lstrip("+-").strip())
        wanted.append(column.desc() if name.startswith("-") else column.asc())
    return [*(wanted or view.order), view.model.key]


def _filters(
    arguments: "MultiDict[str, str]", besides: frozenset[str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in arguments:
        if not name.startswith("_") and name not in besides:
            yield name, tuple(arguments.getlist(name))


def _column(view: View, name: str) -> Any:
    column = view.fields.get(name)
    if column is None or isinstance(column.type, JSONB | RawJson):
        raise BadParameters(f"{view.name} has no field {name!r} to filter or sort by")
    return column


def _value(name: str, column: Any, text: str) -> Any:
    if isinstance(column.type, Text):
        return text
    if isinstance(column.type, Boolean):
        return flag(text)
    if isinstance(column.type, DateTime):
        return moment(name, text)
    try:
        number = int(text) if isinstance(column.type, Integer) else float(text)
    except ValueError:
        number = None
    if number is None or (isinstance(column.type, Integer | Float) and abs(number) > _MAX_NUMBER):
        raise BadParameters(f"{name} is not a number that it can be: {text!r}")
    return number
