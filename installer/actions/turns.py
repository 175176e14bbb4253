"""Whose turn a restart is while a run changes a cluster that works: who first, and when."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from installer.actions.permission import Permission, limited
from installer.engine.engine import Engine
from installer.engine.observation import Observation
from installer.engine.session import Session
from installer.errors import PhaseFailed
from installer.foresight.outlook import layout_now
from installer.foresight.restart_order import restart_order
from installer.inventory import Inventory
from installer.state import Gate, Stage, UnitTarget
from installer.status.presence import Presence
from installer.status.seen import look_around

_WATCHED = ("manager", "loadbalancer")  # load balancers look at managers only
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Gives the nodes of a stage their turns.

    A node that has nothing of the stage's service running needs nobody's leave: it is being
    mended. A node that joins with this run has no say: it had nothing before.
    """

    inventory: Inventory
    engine: Engine
    stages: Mapping[str, Mapping[str, tuple[Stage, ...]]]  # node → role → stages
    observations: Mapping[str, Observation]

    def order(self, stage: Stage, nodes: Sequence[str]) -> list[str]:
        """Return the nodes in the order of their turns: the primary last."""
        if len(nodes) < 2:
            return list(nodes)
        layout = limited(layout_now(self.inventory), _role(stage), self._members(_role(stage)))
        order = restart_order(layout, look_around(self.inventory)).nodes
        return sorted(nodes, key=lambda node: order.index(node) if node in order else -1)

    def await_turn(self, stage: Stage, node: str, note: Note) -> None:
        """Wait until the node may restart; raises PhaseFailed with what speaks against it."""
        if is_idle(look_around(self.inventory), stage, node):
            return
        role = _role(stage)
        members = frozenset(self._members(role))
        permission = Permission(
            inventory=self.inventory, role=role, interrupt=True, members=members
        )
        permission.await_for(node, note)

    def await_settled(self, stage: Stage, note: Note) -> None:
        """Wait until those that watch the others see this one again."""
        if _role(stage) not in _WATCHED:
            return
        for node, gate in self._watchers():
            note(f"{node}: {gate.name}?")
            (outcome,) = self.engine.on_each([node], _awaiting(gate)).values()
            if outcome.error is not None:
                raise PhaseFailed(outcome.error)

    def _watchers(self) -> Iterator[tuple[str, Gate]]:
        for node, roles in self.stages.items():
            for role, stages in roles.items():
                if self._had(node, stages) and node in self._members(role):
                    yield from ((node, stage.settled) for stage in stages if stage.settled)

    def _members(self, role: str) -> set[str]:
        """Return the nodes on which a run before this one has brought the role up."""
        return {
            node
            for node, roles in self.stages.items()
            if role in roles and self._had(node, roles[role])
        }

    def _had(self, node: str, stages: Sequence[Stage]) -> bool:
        before = self.observations[node].record("unit")
        units = [
            unit.name
            for stage in stages
            for unit in stage.state.units
            if unit.target is UnitTarget.RUNNING
        ]
        return all(unit in before for unit in units)


def is_idle(presence: Presence, stage: Stage, node: str) -> bool:
    """Tell whether the service that a stage restarts does nothing on a node now."""
    role = _role(stage)
    if role == "database":
        member = presence.databases[node]
        return not (member.etcd if stage.name.endswith("/etcd") else member.follows)
    services = {
        "queue": presence.brokers,
        "manager": presence.managers,
        "loadbalancer": presence.balancers,
    }
    return not services.get(role, {}).get(node, False)


def _role(stage: Stage) -> str:
    return stage.name.partition("/")[0]


def _awaiting(gate: Gate) -> Callable[[Session], None]:
    def wait(session: Session) -> None:
        if problem := session.await_gate(gate).problem:
            raise PhaseFailed(problem)

    return wait
