"""Restart one role's services on one node: ask the rules, hand over, restart, await the gates."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

from installer.actions.cause import with_cause
from installer.actions.cluster import Cluster
from installer.actions.permission import PATIENCE_S, Permission
from installer.actions.rollout import StagesByRole
from installer.engine.engine import Engine
from installer.engine.session import Session
from installer.errors import InstallerError, PhaseFailed, Problem
from installer.events import EventKind, Outcome
from installer.state import Gate, Stage, Step, UnitTarget

_WATCHED = ("manager", "loadbalancer")  # load balancers look at managers only


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done on one node, and what ended it."""

    changes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRestart:
    """Restarts one role, node by node; calling it never raises for what a node says."""

    cluster: Cluster
    engine: Engine
    stages: StagesByRole
    role: str
    interrupt: bool
    tell: Callable[..., None]

    def __call__(self, node: str) -> Done:
        """Restart the role's services on a node as soon as it may stop."""
        began = time.monotonic()
        self.tell(kind=EventKind.NODE_STARTED, node=node, text="may it stop?")
        changes: list[str] = []
        problems: tuple[Problem, ...] = ()
        try:
            self.await_permission(node)
            self._work(node, changes)
            self._await_settled(node)
        except InstallerError as error:
            problems = error.problems
        outcome = Outcome.FAILED if problems else Outcome.CHANGED
        self.tell(
            kind=EventKind.NODE_FINISHED,
            node=node,
            outcome=outcome,
            seconds=time.monotonic() - began,
            changes=tuple(changes),
            problems=problems,
        )
        return Done(changes=tuple(f"{node}: {each}" for each in changes), problems=problems)

    def skip(self, node: str) -> None:
        """Tell that the run before this one has restarted the node."""
        self.tell(
            kind=EventKind.NODE_FINISHED,
            node=node,
            outcome=Outcome.UNCHANGED,
            seconds=0.0,
            text="restarted by the run before",
        )

    def await_permission(self, node: str, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until the node may stop; raises PhaseFailed with what speaks against it."""
        permission = Permission(
            inventory=self.cluster.inventory, role=self.role, interrupt=self.interrupt
        )
        note = functools.partial(self.tell, kind=EventKind.NODE_NOTE, node=node)
        permission.await_for(node, lambda text: note(text=text), patience_s=patience_s)

    def _work(self, node: str, changes: list[str]) -> None:
        """Do what the node's turn is for; raises PhaseFailed."""
        self._on(node, lambda session: self._restart(session, changes))

    def _restart(self, session: Session, changes: list[str]) -> None:
        self._hand_over(session, changes)
        for stage in self.stages[session.name][self.role]:
            self._restart_stage(session, stage, changes)

    def _hand_over(self, session: Session, changes: list[str]) -> None:
        """Let others take the node's work before its services stop."""
        for stage in reversed(self.stages[session.name][self.role]):
            if stage.hand_over is not None:
                self._run(session, stage.hand_over, changes)

    def _run(self, session: Session, step: Step, changes: list[str]) -> None:
        self.tell(kind=EventKind.NODE_NOTE, node=session.name, text=step.name)
        if session.run_step(step).changed:
            changes.append(step.name)

    def _restart_stage(self, session: Session, stage: Stage, changes: list[str]) -> None:
        began = time.monotonic()
        units = [unit.name for unit in stage.state.units if unit.target is UnitTarget.RUNNING]
        for unit in units:
            self.tell(kind=EventKind.NODE_NOTE, node=session.name, text=f"restart {unit}")
            session.restart(unit)
            changes.append(f"restart {unit}")
        if stage.gate is None or not units:
            return
        if problem := self._await(session, stage.gate):
            raise PhaseFailed(with_cause(session, stage, problem, began=began))

    def _await(self, session: Session, gate: Gate) -> Problem | None:
        self.tell(kind=EventKind.NODE_NOTE, node=session.name, text=f"wait until {gate.name}")
        return session.await_gate(gate).problem

    def _await_settled(self, node: str) -> None:
        """Wait until those that watch the others see this one again."""
        if self.role not in _WATCHED:
            return
        for other, roles in self.stages.items():
            gates = [s.settled for stages in roles.values() for s in stages if s.settled]
            for gate in gates:
                self.tell(kind=EventKind.NODE_NOTE, node=node, text=f"{other}: {gate.name}?")
                self._on(other, functools.partial(_demand, gate))

    def _on(self, node: str, act: Callable[[Session], None]) -> None:
        (outcome,) = self.engine.on_each([node], act).values()
        if outcome.error is not None:
            raise PhaseFailed(outcome.error)


def _demand(gate: Gate, session: Session) -> None:
    if problem := session.await_gate(gate).problem:
        raise PhaseFailed(problem)
