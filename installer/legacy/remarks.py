"""What is said of an old setting: how it fares, why, and what is there instead."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from installer.config.source import KeyPath, Loaded, path_text, value_at

_TABLE = Path(__file__).with_name("settings.yaml")


class Kind(StrEnum):
    """How an old setting fares."""

    UNSAFE = "unsafe"
    DEAD = "dead"
    MOVED = "moved"
    PASSWORD = "password"  # noqa: S105 - the name of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One old setting that is not simply taken over."""

    path: KeyPath
    kind: Kind
    why: str
    instead: str
    kept: bool = False

    def as_json(self, loaded: Loaded) -> dict[str, Any]:
        """Return the remark as an object for programs, with file and line."""
        position = loaded.position(self.path)
        return {
            "kind": str(self.kind),
            "where": path_text(self.path),
            "why": self.why,
            "instead": self.instead,
            "kept": self.kept,
            "file": position.file if position else None,
            "line": position.line if position else None,
        }


def table_remarks(section: str, document: Mapping[str, Any]) -> Iterator[Remark]:
    """Yield a remark for each setting of a document that the table of a section knows."""
    for entry in table()[section]:
        for path in _matches(tuple(entry["path"].split(".")), document):
            if "is" not in entry or value_at(document, path) in entry["is"]:
                yield remark(entry, path)


def remark(entry: Mapping[str, Any], path: KeyPath) -> Remark:
    """Return what the table says, of one setting."""
    return Remark(
        path=path,
        kind=Kind(entry["kind"]),
        why=entry["why"],
        instead=entry["instead"],
        kept=entry.get("kept", False),
    )


@cache
def table() -> Mapping[str, Any]:
    """Return the table of old settings."""
    entries: Mapping[str, Any] = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return entries


def _matches(pattern: KeyPath, document: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the paths of a document that a pattern names; `*` stands for every key."""
    if not pattern:
        yield above
    elif isinstance(document, Mapping):
        key, *below = pattern
        for name in document if key == "*" else [key]:
            if name in document:
                yield from _matches(tuple(below), document[name], (*above, name))
