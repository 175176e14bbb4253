"""Bounds of a YAML document that a stranger wrote: how deep it nests, how large it unfolds."""

from typing import Any

import yaml
from dsl_parser.exceptions import DSLParsingFormatException
from dsl_parser.holder import Holder
from yaml import cyaml

MAX_DEPTH = 100
MAX_VALUES = 2_000_000

_PARSER: Any = getattr(cyaml, "CParser", None)


def check_depth(text: str, filename: str | None) -> None:
    """Raise DSLParsingFormatException for a document that nests too deep.

    libyaml composes nested values by recursion: 200,000 brackets end the process.
    """
    if _PARSER is None:  # the loader in Python stops by itself
        return
    parser, depth = _PARSER(text), 0
    while parser.check_event():
        event = parser.get_event()
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _refusal(filename, f"it nests deeper than {MAX_DEPTH} levels")


def check_size(holder: Holder, filename: str | None) -> None:
    """Raise DSLParsingFormatException for a document whose aliases unfold to too many values."""
    if _size(holder, {}) > MAX_VALUES:
        raise _refusal(filename, f"its aliases unfold to more than {MAX_VALUES} values")


def _size(holder: Holder, known: dict[int, int]) -> int:
    place = id(holder)
    if place not in known:
        value = holder.value
        inner = value.values() if isinstance(value, dict) else value
        is_plain = not isinstance(value, dict | list)
        known[place] = 1 if is_plain else 1 + sum(_size(item, known) for item in inner)
    return known[place]


def _refusal(filename: str | None, reason: str) -> DSLParsingFormatException:
    return DSLParsingFormatException(-1, f"Failed to parse {filename or 'DSL'}: {reason}")
