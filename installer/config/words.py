"""The words by which messages name values and their types."""

import difflib
from collections.abc import Iterable

_JSON_TYPES = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}


def expected_text(types: str | list[str]) -> str:
    """Return the words for the JSON Schema types that a key may have."""
    names = [types] if isinstance(types, str) else types
    return " or ".join(_JSON_TYPES[name] for name in names if name != "null")


def type_text(value: object) -> str:
    """Return the words for the type of a value."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that the word was probably meant to be."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return matches[0] if matches else None
