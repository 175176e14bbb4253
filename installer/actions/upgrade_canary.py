"""The first manager of an upgrade: it must prove itself, or goes back to the bundle before."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from installer.actions.restart_node import Done
from installer.actions.sanity import check_cluster
from installer.actions.upgrade_node import NodeUpgrade
from installer.errors import InstallerError, PhaseFailed, Problem
from installer.events import EventKind, Outcome
from installer.phases import PhaseResult
from installer.state import Gate

_LOOK_EVERY_S = 2.0
_GATE_S = 15  # it worked a moment ago: no time to start is granted again


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One manager of the new bundle among those of the old one."""

    node: str
    upgrade: NodeUpgrade
    way_back: Callable[[], NodeUpgrade]  # raises what speaks against it
    inventory_path: Path
    observe_s: float
    is_proven: Callable[[], None]  # told once it has passed
    is_back: Callable[[], tuple[Problem, ...]]  # told once it is as before; returns what is left

    def __call__(self, phase: str) -> PhaseResult:
        """Upgrade it, let a blueprint go through it, watch it; what fails takes it back."""
        done = self.upgrade(self.node)
        problems = done.problems or self._prove()
        if not problems:
            self.is_proven()
            return PhaseResult(phase=phase, outcome=Outcome.CHANGED, changes=done.changes)
        back = self._go_back()
        left = () if back.problems else self.is_back()
        return PhaseResult(
            phase=phase,
            outcome=Outcome.FAILED,
            changes=(*done.changes, *back.changes),
            problems=(*problems, *self._told(back), *left),
        )

    def _prove(self) -> tuple[Problem, ...]:
        try:
            self._note("a blueprint goes through it")
            check_cluster(self.inventory_path, self._tell_step, manager=self.node)
            self._watch()
        except InstallerError as error:
            return error.problems
        return ()

    def _watch(self) -> None:
        """Demand its gates for a while; raises PhaseFailed when one no longer holds."""
        stages = self.upgrade.stages[self.node]["manager"]
        gates = [replace(stage.gate, timeout_s=_GATE_S) for stage in stages if stage.gate]
        end = time.monotonic() + self.observe_s
        while (left_s := end - time.monotonic()) > 0:
            self._note(f"watched for {left_s:.0f} s more")
            for gate in gates:
                self._demand(gate)
            time.sleep(min(_LOOK_EVERY_S, max(0.0, end - time.monotonic())))

    def _demand(self, gate: Gate) -> None:
        outcomes = self.upgrade.engine.on_each([self.node], lambda s: s.await_gate(gate).problem)
        outcome = outcomes[self.node]
        if problem := outcome.error or outcome.value:
            raise PhaseFailed(problem)

    def _go_back(self) -> Done:
        try:
            way = self.way_back()
        except InstallerError as error:
            return Done(problems=error.problems)
        self._note("it goes back to the bundle before")
        return way(self.node)

    def _told(self, back: Done) -> tuple[Problem, ...]:
        if back.problems:
            return tuple(replace(each, code="canary-not-rolled-back") for each in back.problems)
        told = Problem(
            where=self.node,
            what="the first manager of the new bundle did not prove itself and was taken back",
            remedy="no other node was touched; see the cause above, then upgrade again",
            code="canary-rolled-back",
        )
        return (told,)

    def _tell_step(self, name: str, seconds: float) -> None:
        self._note(f"{name}: {seconds:.1f} s")

    def _note(self, text: str) -> None:
        self.upgrade.tell(kind=EventKind.NODE_NOTE, node=self.node, text=text)
