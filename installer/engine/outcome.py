"""What the engine tells of the work on one node."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from installer.errors import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T]):
    """What a function returned for one node, or the problem that ended it there."""

    value: T | None = None
    error: Problem | None = None
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        """Tell whether the function returned."""
        return self.error is None


TIMED_OUT = 124  # the code of what was ended at its deadline: `TIMED_OUT` of the node's scripts


@dataclass(frozen=True, slots=True)
class Result:
    """How a script ended; its output is text whatever bytes it wrote."""

    code: int
    stdout: str
    stderr: str

    def last_words(self, most: int = 500) -> str:
        """Return the end of what a script that failed said: so many characters, or its code."""
        return (self.stderr.strip() or self.stdout.strip())[-most:] or f"exit {self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """How far a node's clock is ahead of ours, and by how much the round trip may mislead."""

    offset_s: float
    uncertainty_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying one stage changed on one node."""

    stage: str
    changes: tuple[str, ...] = ()  # one line each, as a plan prints them
    restarted: tuple[str, ...] = ()  # also reloaded ones
    started: tuple[str, ...] = ()
    deferred_restarts: tuple[str, ...] = ()  # one_at_a_time units: restart them node by node


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """Whether a gate was passed, or deferred, and what was seen last."""

    gate: str
    passed: bool
    deferred: bool = False
    output: str = ""
    seconds: float = 0.0
    problem: Problem | None = None  # why neither passed nor deferred


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """Whether a step had to act, and what it said."""

    step: str
    changed: bool
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The newest line of one source that shows a known cause."""

    code: str
    source: str  # a unit, or "host", "said", "kernel"
    time: datetime
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """What a node wrote: texts by name, and the names of those whose beginning is cut off."""

    texts: tuple[tuple[str, bytes], ...]
    cut: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a node may take over many questions, and how much its files may be."""

    seconds: int
    file_bytes: int
    all_files_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a node answered: texts by name, those that are cut off, and why others failed."""

    texts: tuple[tuple[str, bytes], ...]
    cut: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]  # name, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a node knows of a failure: the lines that show a cause, and its journals' ends."""

    matches: tuple[Match, ...] = ()
    journal: Mapping[str, str] = field(default_factory=dict)  # unit: its last lines
    failing: tuple[str, ...] = ()  # units of the stage that do not run
