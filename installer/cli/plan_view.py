"""Show a plan and what drifted to a person: a table first, then what matters of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from installer.actions.on_drift import OnDrift
from installer.actions.plan import Planned
from installer.engine.drift import Drift, Drifted
from installer.plan.changes import Kind, PlannedChange
from installer.report import print_rows, print_text

_FEW = 30  # changes that are listed unasked
_DIGEST = 64  # digits

_COLUMNS: Mapping[str, Callable[[PlannedChange], bool]] = {
    "packages": lambda c: c.kind is Kind.PACKAGE,
    "users": lambda c: c.kind is Kind.USER,
    "directories": lambda c: c.kind is Kind.DIRECTORY,
    "files new": lambda c: c.kind is Kind.FILE and c.old == "absent",
    "changed": lambda c: c.kind is Kind.FILE and c.old != "absent" and c.new != "absent",
    "deleted": lambda c: c.kind is Kind.FILE and c.new == "absent",
    "starts": lambda c: c.kind is Kind.UNIT and c.new == "start",
    "restarts": lambda c: c.is_restart,
    "steps": lambda c: c.kind is Kind.STEP,
    "by hand": lambda c: c.by_hand or c.kind is Kind.KEEP,
}


def plan_view(planned: Planned, inventory: Path, *, with_diff: bool) -> None:
    """Print a plan: the table, details where wanted or few, what restarts, what to type next."""
    changes = [change for change in planned.plan.changes if change.kind is not Kind.KEEP]
    if planned.plan.changes:
        print_rows(*_table(planned))
        for line in _details(planned, with_diff=with_diff):
            print_text(line)
    sections = list(_sections(planned))
    for heading, lines in sections:
        print_text("\n".join(["", heading, *(f"  {line}" for line in lines)]))
    print_text(
        f"\nPlan: {_sum(planned, changes, has_sections=bool(sections))}. Nothing was changed."
    )
    print_text(_next(planned, inventory, is_empty=not changes))


def _sum(planned: Planned, changes: Sequence[PlannedChange], *, has_sections: bool) -> str:
    if changes:
        busy = len({change.node for change in changes})
        return f"{_count(len(changes), 'change')} on {busy} of {len(planned.nodes)} nodes"
    return "no changes" if has_sections else "no changes; every node is as the inventory says"


def _table(planned: Planned) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows; a column that no node needs is left out."""
    counts: dict[str, Counter[str]] = {node: Counter() for node in planned.nodes}
    for change in planned.plan.changes:
        counts[change.node].update(name for name, has in _COLUMNS.items() if has(change))
    names = [name for name in _COLUMNS if any(count[name] for count in counts.values())]
    rows = [[node, *(str(count[name] or "·") for name in names)] for node, count in counts.items()]
    total = ["all", *(str(sum(count[name] for count in counts.values())) for name in names)]
    return ["node", *names], [*rows, total] if len(rows) > 1 else rows


def _details(planned: Planned, *, with_diff: bool) -> Iterator[str]:
    changes = planned.plan.changes
    if not with_diff and len(changes) > _FEW:
        return
    phase = ""
    for change in changes:
        if change.phase != phase:
            phase = change.phase
            yield f"\n{phase}"
        yield f"  {change.node}: {change.text}"
    if with_diff:
        yield ""
        for node, diffs in planned.diffs.items():
            for text in diffs:
                yield f"{node}: {text}"


def _sections(planned: Planned) -> Iterator[tuple[str, list[str]]]:
    changes = planned.plan.changes
    if restarts := [_effect(change) for change in changes if change.is_restart or change.effect]:
        yield "What restarts, and what that means", restarts
    if by_hand := [change for change in changes if change.by_hand]:
        note = "Changed by hand, and overwritten (a copy stays below /var/lib/cfy_manager/replaced)"
        yield note, [f"{change.node}: {change.name}" for change in by_hand]
    kept = [f"{c.node}: {c.name}" for c in changes if c.kind is Kind.KEEP]
    kept += [f"{n}: {d.name}" for n, ds in planned.drifts.items() for d in ds if _stays(d, changes)]
    if kept := list(dict.fromkeys(kept)):
        yield "Changed by hand, and kept", kept
    if planned.plan.generated:
        yield "The run will make", _grouped(planned.plan.generated)


def _stays(one: Drifted, changes: Sequence[PlannedChange]) -> bool:
    return one.drift is Drift.KEPT and not any(change.name == one.name for change in changes)


def _effect(change: PlannedChange) -> str:
    turn = " one node at a time" if "one node at a time" in change.text else ""
    verb = f"{change.new} {change.name}" if change.kind is Kind.UNIT else change.name
    why = f" ({change.reason})" if change.reason else ""
    means = f": {change.effect}" if change.effect else ""
    return f"{change.node}: {verb}{why}{turn}{means}"


def _grouped(names: Sequence[str]) -> list[str]:
    """Return generated things in one line for each kind."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kind, _, rest = name.partition(" ")
        kinds.setdefault(kind, []).append(rest)
    return [f"{_count(len(rest), kind)}" for kind, rest in kinds.items()]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _next(planned: Planned, inventory: Path, *, is_empty: bool) -> str:
    command = f"cfy_manager cluster install -i {inventory}"
    if planned.output is not None:
        until = f"{planned.plan.expires:%Y-%m-%d %H:%M} UTC"
        saved = f"Saved: {planned.output}, to be applied until {until}."
        return f"{saved}\nNext: {command} --plan {planned.output}"
    if is_empty:
        return ""
    plan = f"cfy_manager cluster plan -i {inventory}"
    return "\n".join(
        [
            f"Next: {command}",
            f"      {plan} --diff        to see every change",
            f"      {plan} -o plan.json  for a plan that the install must keep to",
        ]
    )


def drift_view(
    drifts: Mapping[str, Sequence[Drifted]], inventory: Path, *, with_diff: bool
) -> None:
    """Print what differs from what was written, each with its three states."""
    found = [(node, one) for node, ones in drifts.items() for one in ones]
    if not found:
        print_text("Drift: none; every node is as the last run left it. Nothing was changed.")
        return
    for node, one in found:
        print_text("\n".join(_drift_lines(node, one)))
    for node, one in found if with_diff else ():
        if one.change is not None and one.change.before is not None:
            print_text(f"\n{node}: {one.change.diff()}")
    by_hand = sum(one.drift.is_by_hand for _, one in found)
    print_text(f"\nDrift: {by_hand} by hand, {len(found) - by_hand} others. Nothing was changed.")
    if by_hand:
        command = f"cfy_manager cluster install -i {inventory} --on-drift"
        print_text(f"Next: {command} ask|keep|overwrite|adopt")


def _drift_lines(node: str, one: Drifted) -> Iterator[str]:
    """Yield the heading of one thing, and its three states where they say something."""
    yield f"{node}: {one.kind} {one.name}: {one.drift.value}"
    seen: dict[str | None, str] = {}
    for name, state in (("written", one.written), ("found", one.found), ("wanted", one.wanted)):
        same = seen.get(state) if state else None
        yield f"    {name:<8} {same or _state(one, state, len(seen))}"
        seen.setdefault(state, f"as {name}")


def _state(one: Drifted, state: str | None, number: int) -> str:
    """Return a state in words; a secret's contents are only told apart."""
    if state is None:
        return "-"
    first, _, rights = state.partition(" ")
    if one.kind != "file" or len(first) != _DIGEST:
        return state
    content = f"secret content {'ABC'[number]}" if one.is_secret else f"content {first[:8]}"
    return f"{content}, {rights}"


_KEYS = {"k": OnDrift.KEEP, "o": OnDrift.OVERWRITE, "a": OnDrift.ADOPT}


def ask_person(node: str, one: Drifted) -> OnDrift:
    """Ask the person at the terminal what becomes of a file; Ctrl-C ends the run unchanged."""
    print_text(f"\n{node}: {one.name} was {one.drift.value} since the last run.")
    while True:
        word = click.prompt(
            "[k]eep it, [o]verwrite it (a copy stays on the node), [a]dopt it, show the [d]iff",
            type=click.Choice([*_KEYS, "d"]),
            show_choices=False,
        )
        if word in _KEYS:
            return _KEYS[word]
        print_text(one.change.diff() if one.change else "it is gone")
