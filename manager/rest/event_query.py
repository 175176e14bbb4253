"""What the query string of an event list asks for: filters, times, messages, order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from werkzeug.datastructures import MultiDict

from manager.errors import BadParameters
from manager.rest.list_query import ListQuery
from manager.storage.models import Event, Execution
from manager.storage.views.events import FIELDS

_TIMES = ("timestamp", "reported_timestamp")
_MESSAGES = ("message", "message.text")
_HIDDEN = ("error_causes", "_storage_id")


def event_conditions(
    query: ListQuery, arguments: "MultiDict[str, str]"
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of the filters and time ranges; raises BadParameters."""
    for name, values in query.filters:
        if name in _MESSAGES:
            yield Event.message.ilike(_pattern(values[0]), escape="\\")
        elif name == "execution_id":  # by key, which the index has
            keys = select(Execution.key).where(Execution.id.in_(values))
            yield Event.execution_key.in_(keys)
        elif name != "include_logs":
            yield _column(name).in_(values)
    if query.search:
        yield Event.message.icontains(query.search, autoescape=True)
    for text in arguments.getlist("_range"):
        yield from _range(text)


def event_order(query: ListQuery) -> list[Any]:
    """Return how to sort; events of one time stay in the order in which they came."""
    wanted = []
    for name in query.sort:
        column = _column(name.lstrip("+-").strip().lstrip("@"))
        wanted.append(column.desc() if name.startswith("-") else column.asc())
    descends = bool(query.sort) and query.sort[0].startswith("-")
    return [*wanted, Event.key.desc() if descends else Event.key.asc()]


def _column(name: str) -> Any:
    if name not in FIELDS or name in _HIDDEN:
        raise BadParameters(f"Events have no field {name!r} to filter or sort by")
    return FIELDS[name]


def _range(text: str) -> Iterator[ColumnElement[bool]]:
    """Yield the bounds of `field,from,to`, of which each may be empty."""
    field, *bounds = text.split(",")
    field = field.lstrip("@")
    if field not in _TIMES or len(bounds) != 2:
        raise BadParameters(f"_range is not <field>,<from>,<to> with a time field: {text!r}")
    column, (first, last) = _column(field), bounds
    if first:
        yield column >= _moment(first)
    if last:
        yield column <= _moment(last)


def _moment(text: str) -> datetime:
    """Return a time; clients that name no zone mean UTC."""
    try:
        # a zone's "+" that was not quoted arrives as a space
        found = datetime.fromisoformat(text[:11].replace(" ", "T") + text[11:].replace(" ", "+"))
    except ValueError as error:
        raise BadParameters(f"_range has a time that is not ISO 8601: {text!r}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _pattern(text: str) -> str:
    """Return an expression of a client as a pattern: * and % stand for anything."""
    escaped = text.replace("\\", "\\\\").replace("_", "\\_").replace("*", "%")
    return f"%{escaped}%"
