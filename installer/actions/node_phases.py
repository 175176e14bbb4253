"""Phases of a day-two run: one thing on some nodes, side by side, told node by node."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.events import Event, EventKind, Listener, Outcome
from installer.phases import Phase, PhaseResult
from installer.state import Gate, Step

Note = Callable[[str], None]  # tells what a node is at
Act = Callable[[Session, Note], tuple[str, ...]]  # returns a line for each change
QuietAct = Callable[[Session], tuple[str, ...]]


def quiet(act: QuietAct) -> Act:
    """Return an act that tells nothing on its way."""
    return lambda session, _: act(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePhases:
    """Makes the phases of one run."""

    engine: Engine
    notify: Listener
    run: str

    def phase(self, name: str, nodes: Iterable[str], act: Act, needs: Iterable[str] = ()) -> Phase:
        """Return a phase that does `act` on each node; its problems are in the result."""
        names = tuple(nodes)
        work = functools.partial(self._work, name, names, act)
        return Phase(name=name, nodes=names, work=work, needs=tuple(needs))

    def _work(self, phase: str, nodes: tuple[str, ...], act: Act) -> PhaseResult:
        def on(session: Session) -> tuple[str, ...]:
            note = functools.partial(self.note, phase, session.name)
            return act(session, note)

        for node in nodes:
            self._tell(phase=phase, kind=EventKind.NODE_STARTED, node=node)
        ended = self.engine.on_each(nodes, on)
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
        problems = tuple(each.error for each in ended.values() if each.error)
        changes = tuple(f"{node}: {c}" for node, each in ended.items() for c in each.value or ())
        return PhaseResult(
            phase=phase,
            outcome=_outcome(failed=bool(problems), changed=bool(changes)),
            changes=changes,
            problems=problems,
        )

    def note(self, phase: str, node: str, text: str) -> None:
        """Tell what is being done on a node."""
        self._tell(phase=phase, kind=EventKind.NODE_NOTE, node=node, text=text)

    def _tell(self, **what: object) -> None:
        self.notify(Event(run=self.run, **what))  # type: ignore[arg-type] # fields of Event


def run_step(step: Step, session: Session, note: Note) -> tuple[str, ...]:
    """Run a step and return its line, unless its guard held."""
    note(step.name)
    return (step.name,) if session.run_step(step).changed else ()


def demand_gate(gate: Gate, session: Session, note: Note) -> tuple[str, ...]:
    """Wait until a gate is passed; raises PhaseFailed with what was seen last."""
    note(f"wait until {gate.name}")
    if problem := session.await_gate(gate).problem:
        raise PhaseFailed(problem)
    return ()


def _outcome(*, failed: bool, changed: bool) -> Outcome:
    if failed:
        return Outcome.FAILED
    return Outcome.CHANGED if changed else Outcome.UNCHANGED
