"""Answer lists and single items of views: the one way in which resources are read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from flask import request
from sqlalchemy import ColumnElement, Integer, Select, Text, bindparam

from manager.errors import NotFound
from manager.rest.context import caller, session
from manager.rest.envelope import Body, paged
from manager.rest.list_query import (
    ListQuery,
    conditions,
    included_names,
    list_query,
    ordering,
    wanted_names,
)
from manager.storage.scope import readable
from manager.storage.view import Item, View, count


def listing_of(
    view: View, *where: ColumnElement[bool], besides: Iterable[str] = ()
) -> Body | list[Body]:
    """Answer the page of a list that the request asks for, of what the caller may read.

    Every parameter without an underscore in front filters by the field of that name, but for those
    named by `besides`, which the handler has turned into `where`.
    """
    query = list_query(besides=besides)
    items, total = page_of(view, query, *where)
    size = len(items) if query.size is None else query.size
    return paged(items, total=total, size=size, offset=query.offset)


def page_of(view: View, query: ListQuery, *where: ColumnElement[bool]) -> tuple[list[Item], int]:
    """Return a page of what the caller may read, and how many items there are in all."""
    names = wanted_names(view, query.include)
    who = caller()
    if not query.all_tenants:
        who.require_tenant()
    statement = view.query(names).where(
        readable(view.model, who, all_tenants=query.all_tenants),
        *where,
        *conditions(view, query),
    )
    page = statement.order_by(*ordering(view, query)).limit(query.size).offset(query.offset)
    items = view.items(session(), page, names)
    is_end = query.size is None or len(items) < query.size
    if items and is_end:
        return items, query.offset + len(items)
    return items, count(session(), statement)


def one_of(view: View, resource_id: str, *where: ColumnElement[bool]) -> Item:
    """Answer one item that the caller may read, with the fields that `_include` names.

    Raises NotFound; of two with the same id the own tenant's comes before another's global one.
    """
    who = caller()
    who.require_tenant()
    names = wanted_names(view, included_names(request.args))
    query = _query_of_one(view, tuple(names), is_admin=who.is_admin, sees_private=who.sees_private)
    values = {"tenant_id": who.tenant_id, "user_id": who.user_id, "resource_id": resource_id}
    if where:
        query = query.where(*where)
    found = view.items(session(), query, names, values)
    if not found:
        raise NotFound.of(view.name, resource_id)
    return found[0]


@dataclass(frozen=True, slots=True)
class _AnyReader:
    """A reader whose user and tenant are parameters of the query."""

    is_admin: bool
    sees_private: bool
    user_id: Any = field(default_factory=lambda: bindparam("user_id", type_=Integer))
    tenant_id: Any = field(default_factory=lambda: bindparam("tenant_id", type_=Integer))


@lru_cache(maxsize=512)
def _query_of_one(
    view: View, names: tuple[str, ...], *, is_admin: bool, sees_private: bool
) -> Select[Any]:
    """Return the query of one item, made once: that costs as much as asking it."""
    reader = _AnyReader(is_admin, sees_private)
    return (
        view.query(names)
        .where(
            readable(view.model, reader),
            view.model.id == bindparam("resource_id", type_=Text),
        )
        .order_by(view.model.tenant_id != reader.tenant_id)
        .limit(1)
    )
