"""Check values against JSON Schemas that users wrote."""

from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from manager.errors import BadParameters

_NOWHERE: Registry[Any] = Registry()  # a schema's $ref must never make the manager fetch a URL


def check_schema(schema: object) -> dict[str, Any]:
    """Return `schema`; raises BadParameters unless it is a JSON Schema with a type."""
    if not isinstance(schema, dict) or not schema.get("type"):
        raise BadParameters("The schema is not an object with a `type`")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadParameters(f"The schema is not a JSON Schema: {error.message}") from error
    return schema


def check_value(value: object, schema: dict[str, Any]) -> None:
    """Raise BadParameters unless `value` is as the schema says; the value is not told."""
    try:
        Draft202012Validator(schema, registry=_NOWHERE).validate(value)
    except ValidationError as error:
        raise BadParameters(
            f"The value breaks its schema: `{error.validator}` at {error.json_path}"
        ) from error
    except (Unresolvable, RecursionError) as error:
        raise BadParameters(
            "The schema refers to something outside itself, or to itself"
        ) from error
