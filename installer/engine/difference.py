"""Compare what a node must be with what was seen of it: the same for a plan and for apply."""

from collections.abc import Iterator, Sequence

from installer.engine.changes import (
    UNIT_FOLDERS,
    Difference,
    FileChange,
    StageDifference,
    UnitChange,
    Verb,
)
from installer.engine.observation import (
    Observation,
    PathFact,
    UnitFact,
    digest,
    guard_key,
    state_of,
)
from installer.state import Directory, ManagedFile, Stage, Step, Unit, UnitTarget, User

__all__ = ["Difference", "difference", "stage_difference"]

_SETTLED_ENABLEMENT = {  # what `systemctl enable` made or cannot change
    "alias",
    "enabled",
    "enabled-runtime",
    "generated",
    "indirect",
    "static",
    "transient",
}


def difference(stages: Sequence[Stage], observation: Observation) -> Difference:
    """Return what must change on the node for it to be what the stages describe."""
    return Difference(tuple(stage_difference(stage, observation) for stage in stages))


def stage_difference(stage: Stage, observation: Observation) -> StageDifference:
    """Return what must change for one stage; its units heed files of earlier stages as well."""
    state = stage.state
    stages = observation.stages or (stage,)
    files = _file_changes(stage, observation)
    absent = tuple(path for path in state.absent if path in observation.paths)
    touched = {change.file.path for change in files if not change.is_rights_only} | set(absent)
    heeded = touched.union(*(_touched(other, observation) for other in _before(stage, stages)))
    return StageDifference(
        stage=stage,
        packages=tuple(p.name for p in state.packages if p.name not in observation.packages),
        users=tuple(user for user in state.users if not _is_user(user, observation)),
        directories=tuple(d for d in state.directories if not _is_directory(d, observation)),
        files=files,
        absent=absent,
        units=tuple(
            change for unit in state.units for change in _unit_changes(unit, observation, heeded)
        ),
        steps=tuple(step for step in stage.steps if not _holds(stage, step, observation)),
        marks=_marks(stages, observation, touched),
        leftovers=observation.leftovers,
        reloads_systemd=_reloads_systemd(stage, observation, touched),
        unrecorded=_unrecorded(stage, observation),
    )


def _unrecorded(stage: Stage, observation: Observation) -> dict[str, dict[str, str]]:
    """Return what is as wanted though our record does not say so: an older release wrote it."""
    state = stage.state
    right = {
        "file": {
            file.path: observation.wanted_state(file)
            for file in state.files
            if _is_file(file, observation.paths.get(file.path), observation)
        },
        "package": {
            package.name: observation.packages[package.name]
            for package in state.packages
            if package.name in observation.packages
        },
        "unit": {
            unit.name: unit.target.value
            for unit in state.units
            if not any(_unit_changes(unit, observation, set()))
        },
    }
    news = {
        kind: {n: s for n, s in states.items() if observation.record(kind).get(n) != s}
        for kind, states in right.items()
    }
    return {kind: states for kind, states in news.items() if states}


def _before(stage: Stage, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    names = [other.name for other in stages]
    return tuple(stages[: names.index(stage.name)]) if stage.name in names else ()


def _touched(stage: Stage, observation: Observation) -> set[str]:
    changes = _file_changes(stage, observation)
    absent = {path for path in stage.state.absent if path in observation.paths}
    return absent | {change.file.path for change in changes if not change.is_rights_only}


def _file_changes(stage: Stage, observation: Observation) -> tuple[FileChange, ...]:
    seen = ((file, observation.paths.get(file.path)) for file in stage.state.files)
    return tuple(
        FileChange(file, fact, is_foreign=_is_foreign(file.path, observation))
        for file, fact in seen
        if not _is_file(file, fact, observation) and not observation.is_kept(file.path)
    )


def _is_foreign(path: str, observation: Observation) -> bool:
    """Tell whether a person changed the file since we wrote it."""
    ours = observation.record("file").get(path)
    return ours is not None and ours != state_of(observation.paths.get(path))


def _is_file(file: ManagedFile, fact: PathFact | None, observation: Observation) -> bool:
    return (
        fact is not None
        and fact.kind == "file"
        and _has_rights(file, fact, observation)
        and fact.digest == digest(file.content)
    )


def _is_directory(directory: Directory, observation: Observation) -> bool:
    fact = observation.paths.get(directory.path)
    return (
        fact is not None and fact.kind == "directory" and _has_rights(directory, fact, observation)
    )


def _has_rights(entry: ManagedFile | Directory, fact: PathFact, observation: Observation) -> bool:
    owner = observation.users.get(entry.owner)
    group = entry.group or (owner.group if owner else None)
    return (fact.owner, fact.group, fact.mode) == (entry.owner, group, entry.mode)


def _is_user(user: User, observation: Observation) -> bool:
    fact = observation.users.get(user.name)
    return fact is not None and set(user.groups) <= set(fact.groups)


def _holds(stage: Stage, step: Step, observation: Observation) -> bool:
    guard = observation.guards.get(guard_key(stage, step))
    return guard is not None and guard.held


def _unit_changes(unit: Unit, observation: Observation, touched: set[str]) -> Iterator[UnitChange]:
    fact = observation.units.get(unit.name, UnitFact())
    match unit.target:
        case UnitTarget.MASKED:
            if fact.load != "masked" or fact.is_running:
                yield UnitChange(unit, Verb.MASK)
        case UnitTarget.STOPPED:
            yield from _stops(unit, fact)
        case UnitTarget.RUNNING:
            if fact.load == "masked":
                yield UnitChange(unit, Verb.UNMASK)
            if fact.enabled not in _SETTLED_ENABLEMENT:
                yield UnitChange(unit, Verb.ENABLE)
            yield from _starts(unit, fact, observation.pending.get(unit.name), touched)


def _stops(unit: Unit, fact: UnitFact) -> Iterator[UnitChange]:
    if fact.enabled in ("enabled", "enabled-runtime"):
        yield UnitChange(unit, Verb.DISABLE)
    if fact.is_running:
        yield UnitChange(unit, Verb.STOP)


def _starts(
    unit: Unit, fact: UnitFact, owed: str | None, touched: set[str]
) -> Iterator[UnitChange]:
    if not fact.is_running:
        yield UnitChange(unit, Verb.START, f"it is {fact.active}")
        return
    for verb, paths in ((Verb.RESTART, unit.restart_on), (Verb.RELOAD, unit.reload_on)):
        changed = [path for path in paths if path in touched]
        if changed:
            yield UnitChange(unit, verb, ", ".join(changed))
            return
        if owed == verb:
            yield UnitChange(unit, verb, "owed since an interrupted run")
            return


def _marks(stages: Sequence[Stage], observation: Observation, touched: set[str]) -> dict[str, str]:
    """Return what running units will owe once this stage's files are replaced."""
    marks: dict[str, str] = {}
    for unit in (unit for stage in stages for unit in stage.state.units):
        running = observation.units.get(unit.name, UnitFact()).is_running
        if not running or unit.target is not UnitTarget.RUNNING:
            continue
        if touched.intersection(unit.restart_on):
            marks[unit.name] = Verb.RESTART.value
        elif touched.intersection(unit.reload_on) and observation.pending.get(unit.name) is None:
            marks.setdefault(unit.name, Verb.RELOAD.value)
    return marks


def _reloads_systemd(stage: Stage, observation: Observation, touched: set[str]) -> bool:
    stale = any(observation.units.get(unit.name, UnitFact()).stale for unit in stage.state.units)
    return stale or any(path.startswith(UNIT_FOLDERS) for path in touched)
