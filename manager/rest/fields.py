"""Read typed fields of a request's JSON body."""

from collections.abc import Mapping
from typing import Any

from manager.errors import BadParameters


def text_field(body: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a text; raises BadParameters."""
    found: str = _typed(body, name, str)
    return found


def list_field(body: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field that must be a list; raises BadParameters."""
    found: list[Any] = _typed(body, name, list)
    return found


def object_field(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a field that must be an object; raises BadParameters."""
    found: dict[str, Any] = _typed(body, name, dict)
    return found


def _typed(body: Mapping[str, Any], name: str, wanted: type[Any]) -> Any:
    if name not in body:
        raise BadParameters(f"Missing {name} in json request body")
    if not isinstance(body[name], wanted):
        raise BadParameters(
            f"{name} parameter is expected to be of type {wanted.__name__} but is of type "
            f"{type(body[name]).__name__}"
        )
    return body[name]
