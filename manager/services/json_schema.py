"""Check values against JSON Schemas that users wrote.

The library takes a tenth of a second to import: the REST service starts without it.
"""

from typing import Any

from manager.errors import BadParameters


def check_schema(schema: object) -> dict[str, Any]:
    """Return `schema`; raises BadParameters unless it is a JSON Schema with a type."""
    from jsonschema import Draft202012Validator, SchemaError

    if not isinstance(schema, dict) or not schema.get("type"):
        raise BadParameters("The schema is not an object with a `type`")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadParameters(f"The schema is not a JSON Schema: {error.message}") from error
    return schema


def check_value(value: object, schema: dict[str, Any]) -> None:
    """Raise BadParameters unless `value` is as the schema says; the value is not told."""
    from jsonschema import Draft202012Validator, ValidationError
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    nowhere: Registry[Any] = Registry()  # a schema's $ref must never make the manager fetch a URL
    try:
        Draft202012Validator(schema, registry=nowhere).validate(value)
    except ValidationError as error:
        raise BadParameters(
            f"The value breaks its schema: `{error.validator}` at {error.json_path}"
        ) from error
    except (Unresolvable, RecursionError) as error:
        raise BadParameters(
            "The schema refers to something outside itself, or to itself"
        ) from error
