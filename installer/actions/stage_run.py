"""Run one stage on all its nodes: apply, restart one at a time, gate, steps."""

import functools
import logging
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from installer.actions.explained import explained
from installer.actions.options import RunOptions
from installer.actions.turns import Turns
from installer.engine.engine import Engine
from installer.engine.observation import Observation, guard_key
from installer.engine.session import Session
from installer.errors import PhaseFailed, Problem
from installer.events import Event, EventKind, Outcome
from installer.phases import PhaseResult
from installer.state import Stage, Step, UnitTarget

logger = logging.getLogger(__name__)

_ALL = RunOptions()
_AROUND_S = 5.0  # a service may have failed just before its stage began


@dataclass(slots=True)
class _Work:
    """What has happened so far on one node in one stage."""

    stage: Stage
    started: float = field(default_factory=time.monotonic)
    changes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    restarts: tuple[str, ...] = ()  # units that wait for their turn
    deferred: str = ""  # what a node installed alone waits for

    @property
    def outcome(self) -> Outcome:
        if self.problems:
            return Outcome.FAILED
        if self.deferred:
            return Outcome.DEFERRED
        return Outcome.CHANGED if self.changes else Outcome.UNCHANGED


class StageRunner:
    """Runs stages with one engine and what was observed of each node before the run."""

    def __init__(  # noqa: PLR0913 - a run is made in one place
        self,
        engine: Engine,
        observations: Mapping[str, Observation],
        notify: Callable[[Event], None],
        *,
        run: str,
        options: RunOptions = _ALL,
        turns: Turns | None = None,
    ) -> None:
        self._engine = engine
        self._observations = observations
        self._notify = notify
        self._run = run
        self._options = options
        self._turns = turns
        self._changed: set[str] = set()  # nodes on which this run has changed anything

    def __call__(self, phase: str, stages: Mapping[str, Stage]) -> PhaseResult:
        """Run the stage on every node; problems are in the result, never raised."""
        works = {node: _Work(stage) for node, stage in stages.items()}
        for node in works:
            self._tell(EventKind.NODE_STARTED, phase, node, text="apply")
        rounds = (self._apply, self._restart_in_turn, self._gate, self._steps)
        for act in rounds:
            act(phase, works)
            if any(work.problems for work in works.values()):
                break
        self._explain(phase, works)
        return self._finish(phase, works)

    def _apply(self, phase: str, works: dict[str, _Work]) -> None:
        def apply(session: Session) -> None:
            work = works[session.name]
            applied = session.apply(work.stage, self._observations[session.name])
            work.changes += applied.changes
            work.restarts = applied.deferred_restarts

        self._each(works, works, apply)

    def _restart_in_turn(self, phase: str, works: dict[str, _Work]) -> None:
        """Restart each node's waiting units; the next node's turn comes after the gate."""
        waiting = [node for node, work in works.items() if work.restarts]
        if self._turns is not None and waiting:
            waiting = self._turns.order(works[waiting[0]].stage, waiting)
        for node in waiting:
            for act in (self._await_turn, self._restart, self._return):
                act(phase, node, works[node])
                if works[node].problems:
                    return

    def _await_turn(self, phase: str, node: str, work: _Work) -> None:
        """Wait until the rules allow the restart, and let others take the node's work."""
        if self._turns is None:
            return
        note = functools.partial(self._note, phase, node)
        try:
            self._turns.await_turn(work.stage, node, note)
        except PhaseFailed as error:
            work.problems += error.problems
            return
        if (step := work.stage.hand_over) is not None:
            note(step.name)
            self._each({node: work}, [node], lambda session: _run(step, session, work))

    def _restart(self, phase: str, node: str, work: _Work) -> None:
        for unit in work.restarts:
            self._note(phase, node, f"restart {unit}")
            self._each({node: work}, [node], functools.partial(_restart, unit))
            work.changes.append(f"restart {unit}")
            self._gate_of_restart(phase, node, work)
            if work.problems:
                return

    def _gate_of_restart(self, phase: str, node: str, work: _Work) -> None:
        """Start what handing over has stopped, and wait for the gate."""
        if self._turns is not None and work.stage.hand_over is not None:
            self._each({node: work}, [node], lambda session: _start_all(session, work.stage))
        if not work.problems:
            self._gate(phase, {node: work})

    def _return(self, phase: str, node: str, work: _Work) -> None:
        """Wait until those that watch this node see it again."""
        if self._turns is None:
            return
        try:
            self._turns.await_settled(work.stage, functools.partial(self._note, phase, node))
        except PhaseFailed as error:
            work.problems += error.problems

    def _note(self, phase: str, node: str, text: str) -> None:
        self._tell(EventKind.NODE_NOTE, phase, node, text=text)

    def _gate(self, phase: str, works: dict[str, _Work]) -> None:
        def wait(session: Session) -> None:
            work = works[session.name]
            if work.stage.gate is None:
                return
            name = work.stage.gate.name
            self._tell(EventKind.NODE_NOTE, phase, session.name, text=f"wait until {name}")
            result = session.await_gate(work.stage.gate, alone=self._options.alone)
            if result.problem is not None:
                work.problems.append(result.problem)
            elif result.deferred:
                work.deferred = name

        self._each(works, works, wait)

    def _steps(self, phase: str, works: dict[str, _Work]) -> None:
        first = next(iter(works))
        has_changed = self._has_changed(works)

        def run(session: Session) -> None:
            work = works[session.name]
            guards = self._observations[session.name].guards
            for step in work.stage.steps:
                held = guards[guard_key(work.stage, step)].held and not has_changed
                if held or work.deferred or (step.once and session.name != first):
                    continue
                self._tell(EventKind.NODE_NOTE, phase, session.name, text=step.name)
                if session.run_step(step).changed:
                    work.changes.append(step.name)

        self._each(works, works, run)

    def _has_changed(self, works: dict[str, _Work]) -> bool:
        """Tell whether guards must be asked again: they were seen before the run.

        Of this stage, a change on any node counts; of the stages before, such as those that bring
        the code which the guard runs, those on the same nodes.
        """
        return any(work.changes or node in self._changed for node, work in works.items())

    def _explain(self, phase: str, works: dict[str, _Work]) -> None:
        """Ask each node that failed for the cause; one that cannot tell leaves what is known."""

        def ask(session: Session) -> None:
            work = works[session.name]
            self._tell(EventKind.NODE_NOTE, phase, session.name, text="look for the cause")
            since_s = time.monotonic() - work.started + _AROUND_S
            said = "\n".join(problem.what for problem in work.problems)
            diagnosis = session.diagnose(work.stage, since_s=since_s, said=said)
            work.problems = [
                explained(session.name, problem, diagnosis, verbose=self._options.verbose)
                for problem in work.problems
            ]

        failed = tuple(node for node, work in works.items() if work.problems)
        for node, outcome in self._engine.on_each(failed, ask).items():
            if outcome.error is not None:
                logger.warning("%s: no diagnosis: %s", node, outcome.error)

    def _each(
        self, works: dict[str, _Work], nodes: Iterable[str], act: Callable[[Session], None]
    ) -> None:
        for node, outcome in self._engine.on_each(tuple(nodes), act).items():
            if outcome.error is not None:
                works[node].problems.append(outcome.error)

    def _finish(self, phase: str, works: dict[str, _Work]) -> PhaseResult:
        self._changed.update(node for node, work in works.items() if work.changes)
        for node, work in works.items():
            self._notify(
                Event(
                    kind=EventKind.NODE_FINISHED,
                    run=self._run,
                    phase=phase,
                    node=node,
                    outcome=work.outcome,
                    seconds=time.monotonic() - work.started,
                    changes=tuple(work.changes),
                    problems=tuple(work.problems),
                )
            )
        return PhaseResult(
            phase=phase,
            outcome=_worst([work.outcome for work in works.values()]),
            changes=tuple(f"{node}: {c}" for node, work in works.items() for c in work.changes),
            problems=tuple(problem for work in works.values() for problem in work.problems),
        )

    def _tell(self, kind: EventKind, phase: str, node: str, *, text: str) -> None:
        self._notify(Event(kind=kind, run=self._run, phase=phase, node=node, text=text))


def _restart(unit: str, session: Session) -> None:
    session.restart(unit)


def _run(step: Step, session: Session, work: _Work) -> None:
    if session.run_step(step).changed:
        work.changes.append(step.name)


def _start_all(session: Session, stage: Stage) -> None:
    """Start the stage's units; those that run are left alone."""
    units = [unit.name for unit in stage.state.units if unit.target is UnitTarget.RUNNING]
    session.run(f"systemctl start --no-block {shlex.join(units)}")


def _worst(outcomes: Iterable[Outcome]) -> Outcome:
    order = (Outcome.FAILED, Outcome.DEFERRED, Outcome.CHANGED, Outcome.UNCHANGED)
    return min(outcomes, key=order.index)
