"""Labels: pairs of a key and a value on blueprints and deployments."""

from collections.abc import Iterable
from typing import Any

from manager.errors import BadParameters

_MAX_LENGTH = 256
_SYMBOLS = frozenset("-_.")

Label = tuple[str, str]


def parsed_labels(value: object) -> list[Label]:
    """Return the labels in a request: `{"key": …, "value": …}` each, a value may be a list.

    Raises BadParameters for another form, characters that a label cannot have, or a label twice.
    """
    if not isinstance(value, list):
        raise BadParameters("Labels must be a list of dictionaries with `key` and `value`")
    labels = [label for item in value for label in _labels(item)]
    for label in labels:
        if labels.count(label) > 1:
            raise BadParameters(f"The label {label[0]}:{label[1]} is given twice")
    return labels


def labels_of_plan(section: dict[str, Any]) -> list[Label]:
    """Return the labels that a blueprint declares: `{key: {"values": […]}}` in its plan."""
    return [
        label
        for key, declared in section.items()
        for label in _labels({"key": key, "value": list(declared.get("values") or ())})
    ]


def as_items(labels: Iterable[Label]) -> list[dict[str, str]]:
    """Return labels as requests and executions have them."""
    return [{"key": key, "value": value} for key, value in labels]


def _labels(item: object) -> list[Label]:
    if not isinstance(item, dict) or item.keys() < {"key", "value"}:
        raise BadParameters("A label must be a dictionary with `key` and `value`")
    values = item["value"] if isinstance(item["value"], list) else [item["value"]]
    return [(_key(item["key"]), _value(value)) for value in values]


def _key(key: object) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= _MAX_LENGTH:
        raise BadParameters(f"A label's key must have 1 to {_MAX_LENGTH} characters")
    if not all(c.isascii() and (c.isalnum() or c in _SYMBOLS) for c in key):
        raise BadParameters(
            f"The label's key {key} contains illegal characters. Only letters, digits and the"
            " characters `-`, `.` and `_` are allowed"
        )
    return key.lower()


def _value(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_LENGTH:
        raise BadParameters(f"A label's value must have 1 to {_MAX_LENGTH} characters")
    if not value.isprintable() or any(c in value for c in '"\\'):
        raise BadParameters(f"The label's value {value!r} contains illegal characters")
    return value
