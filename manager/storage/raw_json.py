"""JSON that goes from the database to the client as it is, without becoming Python objects."""

from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Dialect, Text, cast, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

from manager.storage.view import View


class RawJson(UserDefinedType[Any]):
    """A JSON document as text that orjson copies into its output."""

    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Return what makes a fragment of a reply of a document's text."""
        fragment = orjson.Fragment
        return lambda text: None if text is None else fragment(text)


def raw_json(column: Any) -> ColumnElement[Any]:
    """Return the expression that reads a JSONB column as a fragment."""
    return type_coerce(cast(column, Text), RawJson())


def passing_json(view: View) -> View:
    """Return `view` with all its documents as fragments: for replies that nothing looks into."""
    fields = {
        name: raw_json(column) if isinstance(column.type, JSONB) else column
        for name, column in view.fields.items()
    }
    return replace(view, fields=fields)
