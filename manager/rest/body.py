"""Read values of the expected kind from a request's JSON object."""

from typing import Any

from manager.errors import BadParameters

Body = dict[str, Any]


def body_text(body: Body, name: str) -> str | None:
    """Return a text, or None when it is absent; raises BadParameters for another type."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise BadParameters(f"{name} is expected to be a text but is a {type(value).__name__}")
    return value


def required_text(body: Body, name: str) -> str:
    """Return a text that must be there and not be empty."""
    if name not in body:
        raise BadParameters(f"Missing {name} in json request body")
    value = body_text(body, name)
    if not value:
        raise BadParameters(f"The `{name}` argument is empty")
    return value


def body_object(body: Body, name: str) -> Body | None:
    """Return an object, or None when it is absent."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise BadParameters(f"{name} is expected to be an object but is a {type(value).__name__}")
    return value


def body_list(body: Body, name: str) -> list[Any] | None:
    """Return a list, or None when it is absent."""
    value = body.get(name)
    if value is not None and not isinstance(value, list):
        raise BadParameters(f"{name} is expected to be a list but is a {type(value).__name__}")
    return value
