"""Compare three states of a thing: what our last run left, what is there, what is wanted now."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from installer.engine.changes import FileChange, Verb
from installer.engine.difference import stage_difference
from installer.engine.observation import ABSENT, Observation, UnitFact, state_of
from installer.state import Stage, Unit, UnitTarget


class Drift(StrEnum):
    """What the three states say of each other."""

    NONE = "as wanted"
    NEW = "not there yet"
    FOREIGN = "there before us"  # it is not as wanted, and no run of ours ever wrote it
    OUTDATED = "the configuration changed"  # it is as we left it
    CHANGED = "changed by hand"
    CONFLICT = "changed by hand and in the configuration"
    REMOVED = "removed by hand"
    ORPHAN = "no longer wanted"
    KEPT = "kept as it is"  # a person decided so

    @property
    def is_by_hand(self) -> bool:
        """Tell whether somebody else than our runs changed it, and nobody decided on it yet."""
        return self in (Drift.CHANGED, Drift.CONFLICT, Drift.REMOVED)


def compare(written: str | None, found: str | None, wanted: str | None) -> Drift:
    """Return what three states mean; None is: never written, not there, not wanted."""
    if found == wanted:
        return Drift.NONE
    if wanted is None:
        return Drift.NONE if written is None else Drift.ORPHAN
    if written is None:
        return Drift.NEW if found is None else Drift.FOREIGN
    if found is None:
        return Drift.REMOVED
    if found == written:
        return Drift.OUTDATED
    return Drift.CHANGED if written == wanted else Drift.CONFLICT


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """One thing on a node that is not what our last run left or what the next would."""

    kind: str  # file, unit, package
    name: str
    drift: Drift
    written: str | None
    found: str | None
    wanted: str | None
    change: FileChange | None = None  # what a run does to the file, unless it is kept

    @property
    def is_secret(self) -> bool:
        """Tell whether its content is nobody's business."""
        return self.change is None or self.change.file.secret  # of an orphan nobody knows

    def as_json(self) -> dict[str, str | None]:
        """Return it as JSON values; digests of secret files are left out."""
        states = {"written": self.written, "found": self.found, "wanted": self.wanted}
        if self.kind == "file" and self.is_secret:
            states = {name: _without_digest(state) for name, state in states.items()}
        return {"kind": self.kind, "name": self.name, "drift": self.drift.value, **states}


def drifted(stages: Sequence[Stage], seen: Observation) -> tuple[Drifted, ...]:
    """Return everything on a node that differs from what our last run left or the next would."""
    found = (*_files(stages, seen), *_units(stages, seen), *_packages(stages, seen))
    return tuple(one for one in found if one.drift is not Drift.NONE)


def _files(stages: Sequence[Stage], seen: Observation) -> Iterator[Drifted]:
    wanted = {file.path: file for stage in stages for file in stage.state.files}
    record = seen.record("file")
    for path in dict.fromkeys([*wanted, *record]):
        file = wanted.get(path)
        fact = seen.paths.get(path) if file else seen.strays.get(path)
        states = (
            record.get(path),
            state_of(fact) if fact else None,
            seen.wanted_state(file) if file else None,
        )
        drift = compare(*states)
        if drift is not Drift.NONE and seen.is_kept(path):
            drift = Drift.KEPT
        change = FileChange(file, fact, is_foreign=drift.is_by_hand) if file else None
        yield _drifted("file", path, drift, states, change)


def _drifted(
    kind: str,
    name: str,
    drift: Drift,
    states: tuple[str | None, str | None, str | None],
    change: FileChange | None = None,
) -> Drifted:
    written, found, wanted = states
    return Drifted(
        kind=kind,
        name=name,
        drift=drift,
        written=written,
        found=found,
        wanted=wanted,
        change=change,
    )


def _units(stages: Sequence[Stage], seen: Observation) -> Iterator[Drifted]:
    for stage in stages:
        verbs = {
            change.unit.name: change.verb
            for change in stage_difference(stage, seen).units
            if change.verb not in (Verb.RESTART, Verb.RELOAD)
        }
        for unit in stage.state.units:
            written, wanted = seen.record("unit").get(unit.name), unit.target.value
            fact = seen.units.get(unit.name, UnitFact())
            found = _unit_state(unit, fact) if unit.name in verbs else wanted
            yield _drifted(
                "unit", unit.name, compare(written, found, wanted), (written, found, wanted)
            )


def _unit_state(unit: Unit, fact: UnitFact) -> str | None:
    """Return what a unit that is not as wanted is instead."""
    if fact.load == "not-found":
        return None
    if fact.load == "masked":
        return UnitTarget.MASKED.value
    running = fact.active if fact.is_running or fact.active == "failed" else "stopped"
    return f"{running}, {fact.enabled or 'not enabled'}"


def _packages(stages: Sequence[Stage], seen: Observation) -> Iterator[Drifted]:
    """Yield packages; any version is wanted, so another one than we left is told as changed."""
    names = dict.fromkeys(package.name for stage in stages for package in stage.state.packages)
    for name in names:
        written, found = seen.record("package").get(name), seen.packages.get(name)
        wanted = written or found or "any version"
        yield _drifted("package", name, compare(written, found, wanted), (written, found, wanted))


def _without_digest(state: str | None) -> str | None:
    if state is None or state == ABSENT:
        return state
    digest, _, rights = state.partition(" ")
    return f"«secret» {rights}" if len(digest) == 64 else state
