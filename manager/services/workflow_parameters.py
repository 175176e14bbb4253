"""Make an execution's parameters of what was asked for and what the workflow declares."""

from collections.abc import Callable, Mapping
from typing import Any

from manager.dsl.constraints import EntityLookup, constraint_problem
from manager.services.execution_errors import IllegalExecutionParameters

Declarations = Mapping[str, Mapping[str, Any]]


def merged_parameters(
    workflow_id: str,
    declarations: Declarations,
    given: Mapping[str, Any],
    *,
    allow_custom: bool,
    lookup: EntityLookup | None = None,
) -> dict[str, Any]:
    """Return the parameters of an execution: as given, of the declared types, with defaults.

    Raises IllegalExecutionParameters for undeclared, missing, wrong or forbidden values.
    """
    if not allow_custom:
        _refuse_undeclared(workflow_id, declarations, given)
    parameters = _converted(declarations, given)
    for name, declaration in declarations.items():
        if name not in parameters and "default" in declaration:
            parameters[name] = declaration["default"]
    _refuse_missing(workflow_id, declarations, parameters)
    _refuse_forbidden(declarations, {name: parameters[name] for name in given}, lookup)
    return parameters


def _refuse_undeclared(
    workflow_id: str, declarations: Declarations, given: Mapping[str, Any]
) -> None:
    if undeclared := sorted(given.keys() - declarations.keys()):
        raise IllegalExecutionParameters(
            f'Workflow "{workflow_id}" does not declare these parameters: {", ".join(undeclared)}. '
            "Leave them out, or allow custom parameters"
        )


def _refuse_missing(
    workflow_id: str, declarations: Declarations, parameters: Mapping[str, Any]
) -> None:
    missing = [
        name
        for name, declaration in declarations.items()
        if name not in parameters and declaration.get("required", True)
    ]
    if missing:
        raise IllegalExecutionParameters(
            f'Workflow "{workflow_id}" needs these parameters: {", ".join(missing)}'
        )


def _refuse_forbidden(
    declarations: Declarations, parameters: Mapping[str, Any], lookup: EntityLookup | None
) -> None:
    problems = [
        f'Parameter "{name}" does not meet its constraints: {problem}'
        for name, declaration in declarations.items()
        if name in parameters
        and (problem := constraint_problem(name, declaration, parameters[name], lookup))
    ]
    if problems:
        raise IllegalExecutionParameters("\n".join(problems))


def _converted(declarations: Declarations, given: Mapping[str, Any]) -> dict[str, Any]:
    parameters, problems = dict(given), []
    for name in given.keys() & declarations.keys():
        kind = declarations[name].get("type")
        item_kind = declarations[name].get("item_type")
        try:
            parameters[name] = _of_type(given[name], kind, item_kind)
        except (TypeError, ValueError, OverflowError):
            wanted = f"{kind} of {item_kind}" if item_kind else kind
            problems.append(f'Parameter "{name}" must be of type {wanted}')
    if problems:
        raise IllegalExecutionParameters("\n".join(sorted(problems)))
    return parameters


def _of_type(value: Any, kind: str | None, item_kind: str | None = None) -> Any:
    if _is_function(value):
        return value  # evaluated when the workflow runs
    if kind == "list":
        if not isinstance(value, list):
            raise TypeError(value)
        return [_of_type(item, item_kind) for item in value]
    convert = _CONVERSIONS.get(kind or "")
    return convert(value) if convert else value


def _is_function(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _FUNCTIONS


def _integer(value: Any) -> int:
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(value)
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _dict(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise TypeError(value)
    return value


# Types whose values are names of what exists; a capability's value may be a number as well.
_NAMES = (
    *("blueprint_id", "deployment_id", "node_id", "node_instance", "node_type"),
    *("operation_name", "scaling_group", "secret_key"),
)
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_NAMES, _string),
    "capability_value": _scalar,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "string": _string,
    "textarea": _string,
    "dict": _dict,
}
_FUNCTIONS = frozenset(
    {"get_input", "get_secret", "get_attribute", "get_property", "get_capability"}
    | {"get_environment_capability", "get_label", "get_sys", "concat", "merge"}
)
