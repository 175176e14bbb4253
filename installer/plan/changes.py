"""What a run would change, as plain values in the order of its phases."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from installer.engine.changes import Difference, FileChange, StageDifference, UnitChange, Verb
from installer.engine.observation import digest
from installer.plan.effects import effect_of
from installer.plan.mask import GENERATED, Mask
from installer.state import Stage

Phases = Sequence[tuple[str, Mapping[str, Stage]]]  # name, and the stage of each node
NOTHING = "absent"


class Kind(StrEnum):
    """What a change is about."""

    BUNDLE = "bundle"
    PACKAGE = "package"
    USER = "user"
    DIRECTORY = "directory"
    FILE = "file"
    UNIT = "unit"
    STEP = "step"
    KEEP = "keep"  # nothing is done: a person's change stays


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One change on one node; `old` and `new` are states or digests, of secrets masked ones."""

    phase: str
    node: str
    kind: Kind
    name: str
    text: str  # imperative, for a person
    old: str = ""
    new: str = ""
    reason: str = ""
    effect: str = ""  # what it means for those who use the cluster
    by_hand: bool = False  # it replaces what a person changed

    @property
    def is_restart(self) -> bool:
        """Tell whether something that runs is restarted or reloaded."""
        return self.kind is Kind.UNIT and self.new in ("restart", "reload")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value not in ("", False)}


def change_of(values: Mapping[str, Any]) -> PlannedChange:
    """Return what `as_json` made values of."""
    return PlannedChange(**{**values, "kind": Kind(values["kind"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blanks:
    """What has no digest in a plan, because the run will make it: (node, file or step)."""

    names: frozenset[tuple[str, str]] = frozenset()

    def fill(self, node: str, name: str, word: str) -> str:
        """Return the word for a content, or that it will be made."""
        return GENERATED if (node, name) in self.names else word


def planned_changes(
    phases: Phases, differences: Mapping[str, Difference], mask: Mask, blanks: Blanks
) -> tuple[PlannedChange, ...]:
    """Return the changes of all phases; a step for one node of a role is planned on that one."""
    return tuple(
        change
        for phase, stages in phases
        for node in stages
        for change in _Writer(phase, node, tuple(stages), mask, blanks).changes(
            differences[node].stage(phase)
        )
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    phase: str
    node: str
    nodes: tuple[str, ...]  # all of the phase
    mask: Mask
    blanks: Blanks

    def changes(self, stage: StageDifference) -> Iterator[PlannedChange]:
        for name in stage.packages:
            text = f"install package {name}"
            yield self._change(Kind.PACKAGE, name, text, old=NOTHING, new="installed")
        for user in stage.users:
            yield self._change(Kind.USER, user.name, f"create or change user {user.name}")
        for entry in stage.directories:
            new = f"{entry.mode:04o} {entry.owner}"
            yield self._change(
                Kind.DIRECTORY, entry.path, f"set up directory {entry.path}", new=new
            )
        yield from map(self._file, stage.files)
        for path in (*stage.absent, *stage.leftovers):
            yield self._change(Kind.FILE, path, f"delete {path}", new=NOTHING)
        yield from map(self._unit, stage.units)
        if stage.reloads_systemd:
            yield self._change(Kind.UNIT, "systemd", "reload systemd's units", new="daemon-reload")
        starts = any(change.verb is Verb.START for change in stage.units)
        for step in stage.steps:
            if step.once and self.node != self.nodes[0]:
                continue
            word = digest(f"{step.guard}\0{step.script}".encode())
            new = self.blanks.fill(self.node, f"step {step.name}", word)
            # what is not up yet interrupts nobody
            effect = "" if starts else effect_of(step.name, "step", len(self.nodes))
            yield self._change(Kind.STEP, step.name, step.name, new=new, effect=effect)

    def _file(self, change: FileChange) -> PlannedChange:
        file, before = change.file, change.before
        old = NOTHING if before is None else content_word(self.mask, change, before.digest)
        new = content_word(self.mask, change, digest(file.content))
        group = file.group or f"{file.owner}'s group"
        return self._change(
            Kind.FILE,
            file.path,
            str(change),
            old=old,
            new=self.blanks.fill(self.node, f"file {file.path}", new),
            reason=f"{file.mode:04o} {file.owner} {group}",
            by_hand=change.is_foreign,
        )

    def _unit(self, change: UnitChange) -> PlannedChange:
        verb = change.verb.value
        return self._change(
            Kind.UNIT,
            change.unit.name,
            str(change),
            new=verb,
            reason=change.reason,
            effect=effect_of(change.unit.name, verb, len(self.nodes)),
        )

    def _change(self, kind: Kind, name: str, text: str, **more: Any) -> PlannedChange:
        return PlannedChange(
            phase=self.phase, node=self.node, kind=kind, name=name, text=text, **more
        )


def content_word(mask: Mask, change: FileChange, content_digest: str) -> str:
    """Return the digest of a file's content, masked where the file is secret."""
    if change.file.secret:
        return mask.word(change.file.path, content_digest)
    return content_digest
