"""The schemas of config.yaml and of the inventory, as read from their files."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from installer.config.model import Document
from installer.config.source import KeyPath

_FOLDER = Path(__file__).parent
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def config_schema() -> Document:
    """Return the schema of config.yaml."""
    return _schema("config")


@cache
def inventory_schema() -> Document:
    """Return the schema of the inventory; its `settings` are left open."""
    return _schema("inventory")


@cache
def inventory_with_settings_schema() -> Document:
    """Return the schema of the inventory with the sections of config.yaml under `settings`.

    There, files are on the controller, and a relative path starts at the inventory.
    """
    schema = inventory_schema()
    sections = {**_with_relative_paths(config_schema()), **schema["properties"]["settings"]}
    return {**schema, "properties": {**schema["properties"], "settings": sections}}


def field_at(schema: Document, path: KeyPath) -> Document:
    """Return the schema of the key at `path`; empty where anything may stand."""
    for key in path:
        if isinstance(key, int):
            schema = schema.get("items", {})
            continue
        below = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        schema = below if isinstance(below, Mapping) else {}
    return schema


def leaves(document: object, schema: Document) -> Iterator[tuple[KeyPath, Any, Document]]:
    """Yield path, value and schema of each value in a document that is no mapping."""
    if not isinstance(document, Mapping):
        yield (), document, schema
        return
    for key, child in document.items():
        for path, value, field in leaves(child, field_at(schema, (key,))):
            yield (key, *path), value, field


def _schema(name: str) -> Document:
    text = (_FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8")
    schema: Document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, our own file
    return schema


def _with_relative_paths(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_relative_paths(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _with_relative_paths(value)
        for key, value in schema.items()
        if (key, value) != ("format", "absolute-path")
    }
