"""Upgrade one role on one node: hand over, stop, replace, bring to its state, await the gates."""

from dataclasses import dataclass

from installer.actions.cluster import Cluster
from installer.actions.restart_node import NodeRestart
from installer.actions.rollout import TOOLKIT
from installer.actions.stage_run import StageRunner
from installer.actions.transfer import send_bundle
from installer.actions.upgrade_plan import Turn, UpgradePlan, stages_in_turn
from installer.engine.observation import Observation
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.events import Event, EventKind
from installer.state import Stage, UnitTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUpgrade(NodeRestart):
    """Brings one role, node by node, to what the plan's bundle has."""

    plan: UpgradePlan
    back: bool = False  # packages may go to an older version
    run: str = ""

    def _work(self, node: str, changes: list[str]) -> None:
        turn = self.plan.turn(self.role, node)
        self._send(node)
        self._on(node, lambda session: self._make_way(session, turn, changes))
        seen: list[Observation] = []
        self._on(node, lambda session: seen.append(session.observe(self._stages(node))))
        runner = self._runner(node, seen[0])
        for stage in self._stages(node):
            result = runner(stage.name, {node: stage})
            changes += [change.removeprefix(f"{node}: ") for change in result.changes]
            if result.problems:
                raise PhaseFailed(*result.problems)

    def _send(self, node: str) -> None:
        """Let the node have the bundle's files: another bundle may have come since they went."""
        bundled = Cluster(
            inventory=self.cluster.inventory, inputs=self.cluster.inputs, bundle=self.plan.bundle
        )
        if problems := send_bundle(self.role, bundled, [node]).problems:
            raise PhaseFailed(*problems)

    def _make_way(self, session: Session, turn: Turn, changes: list[str]) -> None:
        """Stop what the change would pull its files away from, and replace the packages."""
        if self.role != TOOLKIT and (turn.stops or turn.interrupts):
            self._hand_over(session, changes)
        if self.role == TOOLKIT or not turn.stops:
            return
        self._note(session.name, f"replace {len(turn.packages)} packages")
        session.replace_packages(turn.versions, self._units(session.name), may_downgrade=self.back)
        changes += [f"{move.name} {move.found} → {move.wanted}" for move in turn.packages]
        changes += [f"{move.name} {move.found} → {move.wanted}" for move in turn.environments]

    def _stages(self, node: str) -> tuple[Stage, ...]:
        return stages_in_turn(self.role, self.stages[node])

    def _units(self, node: str) -> list[str]:
        """Return the role's units in the order in which they stop."""
        stages = self.stages[node][self.role]
        units = (unit for stage in stages for unit in stage.state.units)
        names = [unit.name for unit in units if unit.target is UnitTarget.RUNNING]
        return names[::-1]

    def _runner(self, node: str, seen: Observation) -> StageRunner:
        """Return what brings stages to their state as an install does, with gates and steps."""

        def listen(event: Event) -> None:
            if event.kind is EventKind.NODE_NOTE:
                self._note(node, event.text)

        return StageRunner(self.engine, {node: seen}, listen, run=self.run)

    def _note(self, node: str, text: str) -> None:
        self.tell(kind=EventKind.NODE_NOTE, node=node, text=text)
