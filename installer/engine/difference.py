"""Compare what a node must be with what was seen of it: what a plan prints and apply does."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from installer.engine.observation import Observation, PathFact, UnitFact, digest, guard_key
from installer.state import Directory, ManagedFile, Stage, Step, Unit, UnitTarget, User

_SETTLED_ENABLEMENT = {  # what `systemctl enable` made or cannot change
    "alias",
    "enabled",
    "enabled-runtime",
    "generated",
    "indirect",
    "static",
    "transient",
}
_UNIT_FOLDERS = ("/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/")


class Verb(StrEnum):
    """What happens to a unit; the names are systemctl's."""

    MASK = "mask"
    UNMASK = "unmask"
    ENABLE = "enable"
    DISABLE = "disable"
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class UnitChange:
    """One thing to do to a unit, and why."""

    unit: Unit
    verb: Verb
    reason: str = ""

    @property
    def is_deferred(self) -> bool:
        """Tell whether this waits for the gate between nodes."""
        return self.verb is Verb.RESTART and self.unit.one_at_a_time

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        turn = ", one node at a time" if self.is_deferred else ""
        return f"{self.verb} {self.unit.name}{why}{turn}"


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file to write, or to give its rights back, and what is there now."""

    file: ManagedFile
    before: PathFact | None

    @property
    def is_rights_only(self) -> bool:
        """Tell whether the content is right already."""
        before = self.before
        same = before is not None and before.kind == "file"
        return same and before is not None and before.digest == digest(self.file.content)

    def diff(self) -> str:
        """Return the unified diff of the content; a secret one only says that it differs."""
        if self.file.secret:
            return f"{self.file.path}: «secret, content differs»\n"
        old = (self.before.text or "") if self.before else ""
        new = self.file.content.decode("utf-8", "replace")
        now, then = (side.splitlines(keepends=True) for side in (old, new))
        path = self.file.path
        lines = difflib.unified_diff(now, then, f"{path} (now)", f"{path} (then)")
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def __str__(self) -> str:
        if self.is_rights_only:
            return f"set owner and mode of {self.file.path}"
        return f"{'replace' if self.before else 'create'} {self.file.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDifference:
    """What one stage would change on one node, in the order in which it happens."""

    stage: Stage
    packages: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[FileChange, ...] = ()
    absent: tuple[str, ...] = ()
    units: tuple[UnitChange, ...] = ()
    steps: tuple[Step, ...] = ()  # whose guard did not hold
    marks: Mapping[str, str] = field(default_factory=dict)  # unit: restart or reload it will owe
    leftovers: tuple[str, ...] = ()
    reloads_systemd: bool = False

    @property
    def touched(self) -> set[str]:
        """Return the paths whose content this stage changes."""
        written = {change.file.path for change in self.files if not change.is_rights_only}
        return written | set(self.absent)

    @property
    def is_applied(self) -> bool:
        """Tell whether `apply` has nothing to do: deferred restarts are not its own."""
        deferred = {str(change) for change in self.units if change.is_deferred}
        return set(self._data_lines()) <= deferred

    def lines(self) -> tuple[str, ...]:
        """Return one imperative line for each change, steps included."""
        return (*self._data_lines(), *(step.name for step in self.steps))

    def data_lines(self) -> tuple[str, ...]:
        """Return one imperative line for each change that `apply` makes."""
        return tuple(self._data_lines())

    def _data_lines(self) -> Iterator[str]:
        yield from (f"install package {name}" for name in self.packages)
        yield from (f"create or change user {user.name}" for user in self.users)
        yield from (f"set up directory {entry.path}" for entry in self.directories)
        yield from (str(change) for change in self.files)
        yield from (f"delete {path}" for path in (*self.absent, *self.leftovers))
        yield from (str(change) for change in self.units)
        if self.reloads_systemd:
            yield "reload systemd's units"


@dataclass(frozen=True, slots=True)
class Difference:
    """What some stages would change on one node."""

    stages: tuple[StageDifference, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing would change."""
        return not self.lines()

    def lines(self) -> tuple[str, ...]:
        """Return one imperative line for each change."""
        return tuple(line for stage in self.stages for line in stage.lines())

    def file_diffs(self) -> tuple[str, ...]:
        """Return the unified diff of each file whose content changes, secrets masked."""
        changes = (change for stage in self.stages for change in stage.files)
        return tuple(change.diff() for change in changes if not change.is_rights_only)

    def stage(self, name: str) -> StageDifference:
        """Return the difference of the stage `name`."""
        return next(stage for stage in self.stages if stage.stage.name == name)


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
    )


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
        FileChange(file, fact) for file, fact in seen if not _is_file(file, fact, observation)
    )


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
    return fact is not None and fact.home == user.home and set(user.groups) <= set(fact.groups)


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
    return stale or any(path.startswith(_UNIT_FOLDERS) for path in touched)
