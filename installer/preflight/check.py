"""What a check is: a named, pure question about one node among all, and what it found."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from installer.errors import Severity
from installer.preflight.facts import Facts
from installer.preflight.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Subject:
    """A node under examination: what it must be, and what it is."""

    wanted: Wanted
    facts: Facts


Cluster = Mapping[str, Subject]  # every node that answered, by name, the one in question included


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong on a node, and what to do about it."""

    what: str
    remedy: str
    severity: Severity = Severity.ERROR


def warning(what: str, remedy: str) -> Finding:
    """Return a finding that does not forbid the work."""
    return Finding(what, remedy, Severity.WARNING)


Find = Callable[[Subject, Cluster], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its code, by which it is waived and explained, and what it asks of each node."""

    code: str
    title: str  # what holds when nothing is found: "clocks agree"
    find: Find
