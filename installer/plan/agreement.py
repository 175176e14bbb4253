"""Compare a saved plan with what would be planned now; each difference is a reason to refuse."""

from collections.abc import Iterator, Mapping, Sequence

from installer.errors import Problem
from installer.plan.changes import PlannedChange
from installer.plan.fingerprint import Fingerprint

_REMEDY = "make a new plan and look at it: cfy_manager cluster plan -i INVENTORY -o FILE"


def configuration_problems(planned: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each setting, secret, certificate or program that is another one now."""
    for name, what in _differences(planned, now):
        yield Problem(
            where=name,
            what=f"the configuration changed since the plan: {what}",
            remedy=_REMEDY,
            code="plan-configuration-changed",
        )


def fact_problems(planned: Fingerprint, now: Fingerprint) -> Iterator[Problem]:
    """Yield a problem for each thing on a node that is not as it was when the plan was made."""
    for node in dict.fromkeys([*planned.nodes, *now.nodes]):
        for name, what in _differences(planned.nodes.get(node, {}), now.nodes.get(node, {})):
            yield Problem(
                where=f"{node}: {name}",
                what=f"changed since the plan: {what}",
                remedy=_REMEDY,
                code="plan-facts-changed",
            )


def change_problems(
    planned: Sequence[PlannedChange], now: Sequence[PlannedChange]
) -> Iterator[Problem]:
    """Yield a problem for each change that the plan has and the run would not make, or reverse."""
    for change in planned:
        if change not in now:
            yield _other(change, "the plan has it, the run would not do it like that now")
    for change in now:
        if change not in planned:
            yield _other(change, "the run would do it, and the plan does not have it like that")


def _other(change: PlannedChange, what: str) -> Problem:
    return Problem(
        where=f"{change.node}: {change.phase}: {change.text}",
        what=what,
        remedy=_REMEDY,
        code="plan-changes-differ",
    )


def _differences(planned: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in dict.fromkeys([*planned, *now]):
        old, new = planned.get(name), now.get(name)
        if old != new:
            yield name, _told(old, new)


def _told(old: str | None, new: str | None) -> str:
    """Return what changed in words; digests say nothing to a person."""
    if old is None:
        return f"it is new{_value(new)}"
    if new is None:
        return f"it is gone{_value(old, 'was')}"
    shown = [_shown(old), _shown(new)]
    if shown[0] == shown[1]:
        return "its content is another one"
    return f"was {shown[0]}, is {shown[1]}"


def _value(word: str | None, verb: str = "is") -> str:
    shown = _shown(word or "")
    return f" ({verb} {shown})" if shown != _CONTENT else ""


_CONTENT = "content"
_LEAST_DIGITS = 16


def _shown(word: str) -> str:
    """Return a word as a person reads it: a digest is just some content."""
    first, _, rest = word.partition(" ")
    hexadecimal = first.removeprefix("hmac:")
    is_digest = len(hexadecimal) >= _LEAST_DIGITS and not set(hexadecimal) - set("0123456789abcdef")
    if not is_digest:
        return word
    return f"{_CONTENT} {rest}".strip()
