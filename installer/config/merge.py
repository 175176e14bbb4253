"""Lay one document over another, and defaults under it."""

from collections.abc import Mapping, Set
from itertools import takewhile
from typing import Any

from installer.config.model import Document
from installer.config.source import KeyPath


def merged(base: Document, over: Document) -> dict[str, Any]:
    """Return `over` laid over `base`: mappings recurse, all else (lists too) is replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def without(document: Document, paths: Set[KeyPath], above: KeyPath = ()) -> dict[str, Any]:
    """Return the document without the keys at `paths`."""
    kept = {key: value for key, value in document.items() if (*above, key) not in paths}
    return {
        key: without(value, paths, (*above, key)) if isinstance(value, Mapping) else value
        for key, value in kept.items()
    }


def keys_only(path: KeyPath) -> KeyPath:
    """Return the path up to the first list that it goes through."""
    return tuple(takewhile(lambda key: isinstance(key, str), path))


def with_defaults(value: Any, schema: Document) -> Any:
    """Return the value with the schema's default at each key that lacks, at any depth."""
    if isinstance(value, Mapping):
        return _mapping_with_defaults(value, schema)
    if isinstance(value, list):
        items = schema.get("items", {})
        return [with_defaults(item, items) for item in value]
    return value


def _mapping_with_defaults(value: Document, schema: Document) -> dict[str, Any]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    result = {
        key: with_defaults(child, properties.get(key, others if isinstance(others, dict) else {}))
        for key, child in value.items()
    }
    for key, field in properties.items():
        if key not in result and (default := default_of(field)) is not None:
            result[key] = with_defaults(default, field)
        elif key not in result and "default" in field:
            result[key] = None
    return result


def default_of(field: Document) -> Any:
    """Return the default of a key; that of a section is the mapping of its keys' defaults."""
    is_section = field.get("type") == "object" and "properties" in field
    return field.get("default", {} if is_section else None)


def without_defaults(value: Document, schema: Document) -> dict[str, Any]:
    """Return the mapping without the keys that hold what the schema fills in by itself."""
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    kept: dict[str, Any] = {}
    for key, child in value.items():
        field = properties.get(key, others if isinstance(others, dict) else {})
        if key in properties and child == with_defaults(default_of(field), field):
            continue
        kept[key] = without_defaults(child, field) if isinstance(child, Mapping) else child
    return kept
