"""Check a value against the type and constraints that a blueprint declares for it."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Protocol

_PLAIN = frozenset({None, "string", "integer", "float", "boolean", "dict", "textarea", "regex"})


class EntityLookup(Protocol):
    """Finds what exists in the manager: what types such as `node_id` range over."""

    def has_deployment_id(self) -> bool:
        """Tell whether a deployment is given by the context."""

    def has_blueprint_id(self) -> bool:
        """Tell whether a blueprint is given by the context."""

    def get(self, data_type: str, value: Any, **constraints: Any) -> set[Any]:
        """Return the values of a type that exist and keep the constraints, of those asked for."""


def constraint_problem(
    name: str, declaration: Mapping[str, Any], value: Any, lookup: EntityLookup | None
) -> str | None:
    """Return why `value` is not allowed by its declaration, or None when it is."""
    kind, item_kind = declaration.get("type"), declaration.get("item_type")
    is_free = kind in _PLAIN or (kind == "list" and item_kind is None)
    if is_free and not declaration.get("constraints"):
        return None
    return _parser_problem(name, declaration, value, lookup)


def _parser_problem(
    name: str, declaration: Mapping[str, Any], value: Any, lookup: EntityLookup | None
) -> str | None:
    # The parser brings most of cloudify-common with it: tens of megabytes that a process of the
    # REST service does not need before it meets such a declaration.
    from dsl_parser.constraints import extract_constraints, validate_input_value
    from dsl_parser.exceptions import ConstraintException, DSLParsingException

    kind, item_kind = declaration.get("type"), declaration.get("item_type")
    try:
        # the parser takes the error messages out of what it is given
        constraints = extract_constraints(deepcopy(dict(declaration)))
        validate_input_value(name, constraints, value, kind, item_kind, lookup)
    except (ConstraintException, DSLParsingException) as error:
        return str(error)
    return None
