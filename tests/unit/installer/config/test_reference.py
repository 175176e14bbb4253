"""The reference pages are those that the schemas make."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from installer.config.reference import PAGES
from installer.config.schema import config_schema, inventory_schema

REFERENCE = Path(__file__).parents[4] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_schema_says(name):
    """Write it again with `python -m installer.config.reference`."""
    assert (REFERENCE / name).read_text() == PAGES[name]()


def fields(schema, path=""):
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}", field
        yield from fields(field, f"{path}{name}.")
    for below in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(below, Mapping):
            yield from fields(below, f"{path}*.")


@pytest.mark.parametrize(
    "schema", [config_schema(), inventory_schema()], ids=["config", "inventory"]
)
def test_every_key_is_described(schema):
    bare = [path for path, field in fields(schema) if not field.get("description")]

    assert bare == []


@pytest.mark.parametrize(
    "schema", [config_schema(), inventory_schema()], ids=["config", "inventory"]
)
def test_every_key_has_a_default_or_is_required(schema):
    def without(schema, path=""):
        for name, field in schema.get("properties", {}).items():
            is_section = "properties" in field
            if "default" not in field and not is_section and name not in schema.get("required", ()):
                yield f"{path}{name}"
            yield from without(field, f"{path}{name}.")
        for below in (schema.get("additionalProperties"), schema.get("items")):
            if isinstance(below, Mapping):
                yield from without(below, f"{path}*.")

    optional = {"ssh", "nodes.*.ssh"}  # what is left out there follows from the machine
    assert [path for path in without(schema) if path.rpartition(".")[0] not in optional] == []
