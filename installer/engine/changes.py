"""What would change on a node: values that a plan prints and that apply carries out."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from installer.engine.observation import PathFact, digest
from installer.state import Directory, ManagedFile, Stage, Step, Unit, User

UNIT_FOLDERS = ("/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/")


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
    is_foreign: bool = False  # a person changed it since we wrote it

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
        by_hand = " (changed by hand)" if self.is_foreign else ""
        if self.is_rights_only:
            return f"set owner and mode of {self.file.path}{by_hand}"
        return f"{'replace' if self.before else 'create'} {self.file.path}{by_hand}"


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
    unrecorded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # kind → name → state

    @property
    def touched(self) -> set[str]:
        """Return the paths whose content this stage changes."""
        written = {change.file.path for change in self.files if not change.is_rights_only}
        return written | set(self.absent)

    @property
    def touches_foreign_units(self) -> bool:
        """Tell whether this stage changes files of units that are not of its own list."""
        own = {unit.name for unit in self.stage.state.units}
        names = {_unit_of(path) for path in self.touched if path.startswith(UNIT_FOLDERS)}
        return self.reloads_systemd and not names <= own

    @property
    def is_applied(self) -> bool:
        """Tell whether `apply` has nothing to do: deferred restarts are not its own."""
        deferred = {str(change) for change in self.units if change.is_deferred}
        return not self.unrecorded and set(self._data_lines()) <= deferred

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


def _unit_of(path: str) -> str:
    """Return the unit that a file describes, or adds to: unit.service.d/10-more.conf."""
    folder = next(folder for folder in UNIT_FOLDERS if path.startswith(folder))
    return path.removeprefix(folder).partition("/")[0].removesuffix(".d")


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
