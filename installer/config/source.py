"""A document together with the file and line of each of its keys."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from installer.config.model import Document
from installer.errors import Problem, Severity

KeyPath = tuple[str | int, ...]


class Finding(NamedTuple):
    """What is wrong with the key at `path`, before file and line are looked up."""

    path: KeyPath
    what: str
    remedy: str
    code: str = ""
    severity: Severity = Severity.ERROR


def warning(path: KeyPath, what: str, remedy: str, code: str) -> Finding:
    """Return a finding that forbids nothing, and that an operator may waive by its code."""
    return Finding(path, what, remedy, code, Severity.WARNING)


Rule = Callable[[Document], Iterator[Finding]]
RuleTable = Mapping[Rule, tuple[str, ...]]  # the rule, and the sections that it reads


@dataclass(frozen=True, slots=True)
class Position:
    """Where a key stands; a value that came from no file has no line."""

    file: str
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A document with the position of each key, and what was wrong with its text."""

    document: Document
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()  # keys that stand twice

    def position(self, path: KeyPath) -> Position | None:
        """Return where the key at `path` stands, or else the nearest key above it."""
        for length in range(len(path), -1, -1):
            if found := self.positions.get(path[:length]):
                return found
        return None

    def problem(self, finding: Finding) -> Problem:
        """Return the finding as a problem with its file and line."""
        position = self.position(finding.path)
        return Problem(
            where=path_text(finding.path),
            what=finding.what,
            remedy=finding.remedy,
            file=position.file if position else None,
            line=position.line if position else None,
            code=finding.code,
            severity=finding.severity,
        )


def path_text(path: KeyPath) -> str:
    """Return a key path as people write it: nodes[1].address."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".") or "the file"


def value_at(document: object, path: KeyPath) -> object:
    """Return the value at `path`, or None where the path ends early."""
    for key in path:
        try:
            document = document[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return document
