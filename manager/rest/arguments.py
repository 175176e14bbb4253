"""Read values from requests: booleans that clients spell in many ways, numbers, times."""

from datetime import datetime

from flask import request

from manager.errors import BadParameters


def flag(value: object) -> bool:
    """Return a boolean that the client may have spelt as a string."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "1", "0", ""):
        return value.lower() in ("true", "yes", "1")
    raise BadParameters(f"{value!r} is not a boolean")


def flag_argument(name: str, *, default: bool = False) -> bool:
    """Return a boolean of the query string."""
    return flag(request.args.get(name, default))


def number(name: str, default: int) -> int:
    """Return a number of the query string, from 0 upwards."""
    text = request.args.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadParameters(f"{name} is not a number from 0 upwards: {text!r}")
    return int(text)


def moment(name: str, text: str) -> datetime:
    """Return a time; raises BadParameters unless it is ISO 8601 with a zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadParameters(f"{name} is not an ISO 8601 time: {text!r}") from error
    if found.tzinfo is None:
        raise BadParameters(f"{name} lacks its zone: {text!r}")
    return found
