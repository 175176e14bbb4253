"""A resource as clients see it: fields that are SQL expressions, read without ORM entities.

Lists of thousands of items are most of what the service does; rows become replies in one pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from manager.storage.models import PRIVATE, Resource, Tenant, User

Item = dict[str, Any]
Loader = Callable[[Session, Sequence[int]], Mapping[int, Any]]
_CREATOR = aliased(User, name="creator")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # views are compared by identity
class View:
    """What a reply has of a resource.

    `name` is the resource in messages ("Blueprint"). `fields` are SQL expressions by name, in the
    order of the reply; `joins` are the further tables that they need, by outer joins.
    `loaded` are fields that one query more fills for all items at once: a loader takes the keys of
    the items and returns values by key; an item without a value gets the field's `default`.
    `searched` are the columns that `_search` looks into; `order` is how lists are sorted.
    """

    name: str
    model: type[Resource]
    fields: Mapping[str, ColumnElement[Any] | Any]
    joins: Sequence[tuple[Any, ColumnElement[bool]]] = ()
    loaded: Mapping[str, Loader] = field(default_factory=dict)
    defaults: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    searched: Sequence[Any] = ()
    order: Sequence[Any] = ()

    @property
    def names(self) -> list[str]:
        """Return the fields of a whole item."""
        return [*self.fields, *self.loaded]

    def query(self, names: Sequence[str]) -> Select[Any]:
        """Return the query for the columns among `names`; the key comes first in each row."""
        if list(names) != self.names:
            return self._query(names)
        # Making a query of twenty columns takes as long as running it.
        known = _whole_items.get(id(self))
        if known is None or known[0] is not self:
            known = _whole_items[id(self)] = (self, self._query(names))
        return known[1]

    def _query(self, names: Sequence[str]) -> Select[Any]:
        columns = [self.fields[name].label(name) for name in names if name in self.fields]
        query = (
            select(self.model.key, *columns)
            .select_from(self.model)
            .join(Tenant, Tenant.id == self.model.tenant_id)
            .join(_CREATOR, _CREATOR.id == self.model.creator_id)
        )
        for target, condition in self.joins:
            query = query.outerjoin(target, condition)
        return query

    def items(
        self,
        session: Session,
        query: Select[Any],
        names: Sequence[str] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> list[Item]:
        """Return the items of a query made by `query(names)`; `values` are its parameters."""
        names = self.names if names is None else names
        columns = [name for name in names if name in self.fields]
        session.flush()
        # Straight from the connection: rows of columns need nothing of the ORM, which would take
        # as long again to load them.
        rows = session.connection().execute(query, values).fetchall()
        keys = [row[0] for row in rows]
        items = [dict(zip(columns, row[1:], strict=True)) for row in rows]
        for name in names:
            if name in self.loaded and items:
                self._load(session, name, keys, items)
        return items

    def _load(self, session: Session, name: str, keys: list[int], items: list[Item]) -> None:
        found = self.loaded[name](session, keys)
        default = self.defaults.get(name, list)
        for key, item in zip(keys, items, strict=True):
            item[name] = found[key] if key in found else default()


_whole_items: dict[int, tuple[View, Select[Any]]] = {}


def common_fields(model: type[Resource]) -> dict[str, Any]:
    """Return the fields that every resource's item has."""
    return {
        "created_at": model.created_at,
        "id": model.id,
        "visibility": model.visibility,
        "tenant_name": Tenant.name,
        "created_by": _CREATOR.username,
        "resource_availability": model.visibility,
        "private_resource": model.visibility == PRIVATE,
    }


def count(session: Session, query: Select[Any]) -> int:
    """Return how many rows a query of a view has."""
    counted = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return int(session.execute(counted).scalar_one())
