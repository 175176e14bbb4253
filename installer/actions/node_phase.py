"""A phase that does one thing on some nodes side by side, and tells of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.events import Event, EventKind, Listener, Outcome
from installer.phases import Phase, PhaseResult

Act = Callable[[Session], tuple[str, ...]]  # returns a line for each change


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePhases:
    """Makes the phases of one run."""

    engine: Engine
    notify: Listener
    run: str

    def phase(
        self, name: str, nodes: Sequence[str], act: Act, *, needs: tuple[str, ...] = ()
    ) -> Phase:
        """Return the phase; it fails when it fails on any node."""
        return Phase(
            name=name, nodes=tuple(nodes), work=lambda: self._work(name, nodes, act), needs=needs
        )

    def note(self, phase: str, node: str, text: str) -> None:
        """Tell what is being done on a node."""
        self._tell(phase=phase, kind=EventKind.NODE_NOTE, node=node, text=text)

    def _work(self, phase: str, nodes: Sequence[str], act: Act) -> PhaseResult:
        for node in nodes:
            self._tell(phase=phase, kind=EventKind.NODE_STARTED, node=node)
        ended = self.engine.on_each(nodes, act)
        for node, outcome in ended.items():
            self._tell(
                phase=phase,
                kind=EventKind.NODE_FINISHED,
                node=node,
                outcome=_outcome(failed=bool(outcome.error), changed=bool(outcome.value)),
                seconds=outcome.seconds,
                changes=outcome.value or (),
                problems=(outcome.error,) if outcome.error else (),
            )
        problems = tuple(outcome.error for outcome in ended.values() if outcome.error)
        changes = tuple(
            f"{n}: {line}" for n, outcome in ended.items() for line in outcome.value or ()
        )
        return PhaseResult(
            phase=phase,
            outcome=_outcome(failed=bool(problems), changed=bool(changes)),
            changes=changes,
            problems=problems,
        )

    def _tell(self, **what: object) -> None:
        self.notify(Event(run=self.run, **what))  # type: ignore[arg-type] # fields of Event


def _outcome(*, failed: bool, changed: bool) -> Outcome:
    if failed:
        return Outcome.FAILED
    return Outcome.CHANGED if changed else Outcome.UNCHANGED
