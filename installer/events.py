"""What happens during a run, as values: the journal stores them, the report shows them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from installer.errors import Problem


class EventKind(StrEnum):
    """The moments of a run."""

    RUN_STARTED = "run-started"
    PHASE_STARTED = "phase-started"
    NODE_STARTED = "node-started"
    NODE_NOTE = "node-note"  # something is under way on a node: what it waits for
    NODE_FINISHED = "node-finished"
    PHASE_FINISHED = "phase-finished"
    RUN_FINISHED = "run-finished"


class Outcome(StrEnum):
    """How a phase, or one node in it, ended."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    DEFERRED = "deferred"  # a node installed alone waits for its peers
    FAILED = "failed"
    SKIPPED = "skipped"  # a phase it needs failed


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One moment of a run; fields that do not apply are None or empty."""

    kind: EventKind
    run: str
    phase: str | None = None
    node: str | None = None
    outcome: Outcome | None = None
    seconds: float | None = None
    text: str = ""
    changes: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()  # of a run that starts: all its phases, in order
    problems: tuple[Problem, ...] = ()
    time: datetime = field(default_factory=_now)

    def as_json(self) -> dict[str, Any]:
        """Return the event as JSON values, without what is empty."""
        values = asdict(self)
        values["time"] = self.time.isoformat(timespec="milliseconds")
        return {key: value for key, value in values.items() if value not in (None, (), "")}


Listener = Callable[[Event], None]
