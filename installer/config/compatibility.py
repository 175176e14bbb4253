"""Which versions work together, which steps an upgrade takes, which keys have lost their effect.

The facts are data with sources: compatibility.yaml. Versions may be those of Debian packages.
"""

import operator
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from installer.errors import Problem

_DATA = Path(__file__).with_name("compatibility.yaml")
_EPOCH, _NUMBERS = re.compile(r"^\d+:"), re.compile(r"\d+(?:\.\d+)*")
_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadKey:
    """A key of a component's configuration that does nothing any more."""

    key: str
    since: str
    why: str
    source: str


def parsed_version(text: str) -> Version:
    """Return the numbers of a version; those of a Debian package without epoch and revision.

    Raises ValueError when the text begins with no number.
    """
    numbers = _NUMBERS.match(_EPOCH.sub("", text))
    if numbers is None:
        raise ValueError(f"{text!r} is no version")
    return tuple(int(part) for part in numbers.group().split("."))


def in_range(version: Version, wanted: str) -> bool:
    """Return whether a version fulfils each comparison of a range such as `>=3.4.42,<3.5`."""
    for part in wanted.split(","):
        sign = part.rstrip("0123456789.")
        bound = parsed_version(part.removeprefix(sign))
        width = max(len(version), len(bound))
        if not _COMPARISONS[sign](_padded(version, width), _padded(bound, width)):
            return False
    return True


def version_problems(versions: Mapping[str, str], where: str = "versions") -> Iterator[Problem]:
    """Yield a problem for each pair of components that do not work together.

    `versions` has those of etcd, patroni, postgresql, rabbitmq and erlang that are known.
    """
    parsed = {name: parsed_version(text) for name, text in versions.items()}
    told: set[tuple[str, str]] = set()
    for fact in _facts()["needs"]:
        one, other = fact["when"], fact["needs"]
        if one not in parsed or other not in parsed or (one, other) in told:
            continue
        applies = any(in_range(parsed[one], wanted) for wanted in fact["in"])
        if applies and not in_range(parsed[other], fact["of"]):
            told.add((one, other))
            yield Problem(
                where=where,
                what=f"{one} {versions[one]} and {other} {versions[other]} do not work together: "
                f"{fact['why']} ({fact['source']})",
                remedy=f"install {other} {fact['of'].replace(',', ' and ')}",
                code="version-mismatch",
            )


def upgrade_steps(component: str, found: str, wanted: str) -> tuple[str, ...] | None:
    """Return the series to go through from one version to another, the last one included.

    Empty: nothing between them. None: no way with the data in place, as for every step back.
    """
    start, goal = _series(found), _series(wanted)
    before: Mapping[str, list[str]] = _facts()["steps"][component]["from"]
    ways: deque[tuple[str, ...]] = deque([(goal,)])
    while ways:
        way = ways.popleft()
        if way[0] == start:
            return way[1:]
        ways.extend((earlier, *way) for earlier in before.get(way[0], ()))
    return None


def dead_keys(component: str, version: str) -> tuple[DeadKey, ...]:
    """Return the keys that a version of a component accepts without effect."""
    return tuple(
        DeadKey(key=fact["key"], since=fact["since"], why=fact["why"], source=fact["source"])
        for fact in _facts()["dead_keys"]
        if fact["component"] == component
        and in_range(parsed_version(version), f">={fact['since']}")
    )


def _series(version: str) -> str:
    return ".".join(str(number) for number in _padded(parsed_version(version), 2)[:2])


def _padded(version: Version, width: int) -> Version:
    return version + (0,) * (width - len(version))


@cache
def _facts() -> Mapping[str, Any]:
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = _DATA.read_text(encoding="utf-8")
    facts: Mapping[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader, our own
    return facts
