"""Values of settings against their schemas."""

from pathlib import Path

import pytest

from manager.errors import BadParameters
from manager.services.config import checked_value
from manager.services.config_defaults import config_defaults
from manager.settings_file import load_settings

EXAMPLE = load_settings(Path(__file__).parents[4] / "docs" / "reference" / "manager.example.yaml")


@pytest.mark.parametrize(
    ("value", "schema", "stored"),
    [
        ("3", {"type": "integer", "minimum": -1}, 3),
        ("0.5", {"type": "number"}, 0.5),
        ("True", {"type": "boolean"}, True),
        ("INFO", {"type": "string", "enum": ["DEBUG", "INFO"]}, "INFO"),
        ({"free": "form"}, {}, {"free": "form"}),
    ],
)
def test_a_value_is_stored_as_its_schemas_type(value, schema, stored):
    assert checked_value(value, schema) == stored


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("three", {"type": "integer"}),
        (True, {"type": "integer"}),
        (-2, {"type": "integer", "minimum": -1}),
        (11, {"type": "integer", "maximum": 10}),
        ("LOUD", {"type": "string", "enum": ["DEBUG", "INFO"]}),
        (5, {"type": "string"}),
        ("perhaps", {"type": "boolean"}),
    ],
)
def test_a_value_outside_its_schema_is_refused(value, schema):
    with pytest.raises(BadParameters):
        checked_value(value, schema)


@pytest.mark.parametrize("default", config_defaults(EXAMPLE), ids=lambda d: d.name)
def test_each_first_value_fits_its_own_schema(default):
    assert checked_value(default.value, default.schema or {}) == default.value
